// The server's half of SOCKS5 as a PT parent speaks it (RFC 1928, RFC 1929, pt-spec.txt §3.5): arguments of the bridge in user name and
// password, and a literal address to connect to.
import { formatIpAddress } from '@rozan/protocol';
import type { SocketAddress } from '@rozan/tunnel';
import { splitEscaped } from './escaped.ts';

const METHOD_NONE = 0;
const METHOD_PASSWORD = 2;
const NOT_ACCEPTABLE = 0xff;
const CONNECT = 1;
const ADDRESS_BYTES: ReadonlyMap<number | undefined, number> = new Map([
  [1, 4],
  [4, 16],
]);

/** Reply codes (RFC 1928 §6). */
export const SOCKS_REPLY = { succeeded: 0, failed: 1, 'not-supported': 7, 'address-not-supported': 8 } as const;

/** What is asked for. */
export interface SocksRequest {
  readonly address: SocketAddress;
  readonly args: ReadonlyMap<string, string>;
  /** What the parent has already sent behind it. */
  readonly rest: Buffer;
}

/** What the bytes so far have brought about. */
export type SocksStep =
  | { readonly type: 'reply'; readonly bytes: Buffer }
  | { readonly type: 'connect'; readonly request: SocksRequest }
  /** Send these bytes and close. */
  | { readonly type: 'refused'; readonly bytes: Buffer };

/** The last answer to a request. */
export function socksReply(reply: keyof typeof SOCKS_REPLY): Buffer {
  return Buffer.from([5, SOCKS_REPLY[reply], 0, 1, 0, 0, 0, 0, 0, 0]);
}

/** Reads `name=value;…` with backslashes in front of what would separate; null for what is none. */
export function parseLogin(text: string): ReadonlyMap<string, string> | null {
  const args = new Map<string, string>();
  for (const pair of splitEscaped(text, ';')) {
    const [name = '', ...value] = splitEscaped(pair, '=').map((part) => part.replace(/\\(.)/gs, '$1'));
    if (name === '' || value.length === 0 || args.has(name)) return null;
    args.set(name, value.join('='));
  }
  return args;
}

type Stage = 'greeting' | 'login' | 'request' | 'over';

/** Reads one handshake, as it comes. */
export class SocksGate {
  #stage: Stage = 'greeting';
  #pending: Buffer = Buffer.alloc(0);
  #args: ReadonlyMap<string, string> = new Map();

  receive(chunk: Buffer): SocksStep[] {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const steps: SocksStep[] = [];
    for (let step = this.#next(); step !== null; step = this.#next()) {
      steps.push(step);
      if (step.type !== 'reply') this.#stage = 'over';
    }
    return steps;
  }

  #next(): SocksStep | null {
    switch (this.#stage) {
      case 'greeting':
        return this.#readGreeting();
      case 'login':
        return this.#readLogin();
      case 'request':
        return this.#readRequest();
      default:
        return null;
    }
  }

  #take(count: number): Buffer | null {
    if (this.#pending.length < count) return null;
    const bytes = this.#pending.subarray(0, count);
    this.#pending = this.#pending.subarray(count);
    return bytes;
  }

  #readGreeting(): SocksStep | null {
    const [version, count] = this.#pending;
    if (version !== undefined && version !== 5) return { type: 'refused', bytes: Buffer.alloc(0) };
    if (count === undefined) return null;
    const methods = this.#take(2 + count)?.subarray(2);
    if (methods === undefined) return null;
    const method = [METHOD_PASSWORD, METHOD_NONE].find((each) => methods.includes(each));
    if (method === undefined) return { type: 'refused', bytes: Buffer.from([5, NOT_ACCEPTABLE]) };
    this.#stage = method === METHOD_PASSWORD ? 'login' : 'request';
    return { type: 'reply', bytes: Buffer.from([5, method]) };
  }

  #readLogin(): SocksStep | null {
    const refused: SocksStep = { type: 'refused', bytes: Buffer.from([1, 1]) };
    const [version, userBytes] = this.#pending;
    if (version !== undefined && version !== 1) return refused;
    if (userBytes === undefined) return null;
    const passwordBytes = this.#pending[2 + userBytes];
    if (passwordBytes === undefined) return null;
    const login = this.#take(3 + userBytes + passwordBytes);
    if (login === null) return null;
    const password = login.subarray(3 + userBytes).toString('latin1');
    // A single zero byte stands for a password that is not needed.
    const text = login.toString('latin1', 2, 2 + userBytes) + (password === '\0' ? '' : password);
    const args = parseLogin(text);
    if (args === null) return refused;
    this.#args = args;
    this.#stage = 'request';
    return { type: 'reply', bytes: Buffer.from([1, 0]) };
  }

  #readRequest(): SocksStep | null {
    const [version, command, , kind] = this.#pending;
    if (version !== undefined && version !== 5) return { type: 'refused', bytes: socksReply('failed') };
    if (kind === undefined) return null;
    if (command !== CONNECT) return { type: 'refused', bytes: socksReply('not-supported') };
    const addressBytes = ADDRESS_BYTES.get(kind);
    if (addressBytes === undefined) return { type: 'refused', bytes: socksReply('address-not-supported') };
    const request = this.#take(4 + addressBytes + 2);
    if (request === null) return null;
    const host = formatIpAddress(request.subarray(4, 4 + addressBytes));
    const address = { host, port: request.readUInt16BE(4 + addressBytes) };
    const rest = this.#pending;
    this.#pending = Buffer.alloc(0);
    return { type: 'connect', request: { address, args: this.#args, rest } };
  }
}
