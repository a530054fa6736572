// The server's half of SOCKS5 (RFC 1928), its user name/password method (RFC 1929), and the CONNECT of SOCKS4 and SOCKS4a, which old
// programs speak. What the application sends, byte by byte if need be:
//
//   greeting   05 ‖ n ‖ n methods
//   login      01 ‖ n ‖ user name of n bytes ‖ n ‖ password of n bytes             (only after method 02)
//   request    05 ‖ command ‖ 00 ‖ address ‖ port u16
//   address    01 ‖ 4 bytes   or   03 ‖ n ‖ name of n bytes   or   04 ‖ 16 bytes
//   SOCKS4     04 ‖ command ‖ port u16 ‖ 4 bytes ‖ user id ‖ 00 [‖ name ‖ 00, where the 4 bytes are 0.0.0.x, x ≠ 0]
import { formatIpAddress, parseIpAddress, type ResetCode } from '@rozan/protocol';
import type { SocketAddress, Target } from '@rozan/tunnel';
import { MAX_SOCKS4_TEXT_BYTES } from './limits.ts';
import { parseTarget } from './target-host.ts';

const METHOD_NONE = 0x00;
const METHOD_PASSWORD = 0x02;
const METHOD_NOT_ACCEPTABLE = 0xff;
const COMMAND_CONNECT = 1;
const COMMAND_UDP_ASSOCIATE = 3;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;
const ADDRESS_BYTES: ReadonlyMap<number | undefined, number> = new Map([
  [ADDRESS_IPV4, 4],
  [ADDRESS_IPV6, 16],
]);
const SOCKS4_GRANTED = 0x5a;
const SOCKS4_REJECTED = 0x5b;

/** The reply codes of RFC 1928 §6. */
export const SOCKS_REPLY = {
  succeeded: 0,
  'general-failure': 1,
  'not-allowed': 2,
  'network-unreachable': 3,
  'host-unreachable': 4,
  'connection-refused': 5,
  'ttl-expired': 6,
  'command-not-supported': 7,
  'address-type-not-supported': 8,
} as const;

const NO_ADDRESS = Buffer.from([ADDRESS_IPV4, 0, 0, 0, 0, 0, 0]);

/** Address and port as SOCKS5 writes them (RFC 1928 §5). `host` must be a literal. */
export function socksAddress({ host, port }: SocketAddress): Buffer {
  const address = parseIpAddress(host);
  if (address === undefined) return NO_ADDRESS;
  const kind = address.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
  return Buffer.from([kind, ...address, port >> 8, port & 0xff]);
}

/** The name of a reply code. */
export type SocksReply = keyof typeof SOCKS_REPLY;

/** The version of SOCKS that an application speaks. */
export type SocksVersion = 4 | 5;

/** Why a handshake was not understood. */
export type SocksRefusal =
  | 'not-socks'
  | 'no-acceptable-method'
  | 'malformed'
  | 'bad-target'
  | 'command-not-supported'
  | 'address-type-not-supported';

/** What the bytes so far have brought about. */
export type SocksEvent =
  /** Send these bytes; more of the handshake follows. */
  | { readonly type: 'reply'; readonly bytes: Buffer }
  /** The request is complete. `rest` is what the application has already sent to the target. Answer with `socksReply`. */
  | { readonly type: 'connect'; readonly version: SocksVersion; readonly target: Target; readonly rest: Buffer }
  /** A complete request for a UDP association. Answer with `socksReply`. */
  | { readonly type: 'associate' }
  /** Send these bytes (there may be none) and close. */
  | { readonly type: 'refused'; readonly reason: SocksRefusal; readonly bytes: Buffer };

/**
 * The bytes of the last answer to a request. The bound address is 0.0.0.0:0, since the real one is the relay's, which is nobody's business,
 * but for an association, where it says where to send datagrams.
 */
export function socksReply(version: SocksVersion, reply: SocksReply, bound?: SocketAddress): Buffer {
  if (version === 4)
    return Buffer.from([0, reply === 'succeeded' ? SOCKS4_GRANTED : SOCKS4_REJECTED, 0, 0, 0, 0, 0, 0]);
  const address = bound === undefined ? NO_ADDRESS : socksAddress(bound);
  return Buffer.concat([Buffer.from([5, SOCKS_REPLY[reply], 0]), address]);
}

const REPLIES: Readonly<Partial<Record<ResetCode, SocksReply>>> = {
  forbidden: 'not-allowed',
  unreachable: 'network-unreachable',
  'name-not-found': 'host-unreachable',
  refused: 'connection-refused',
  // SOCKS has no word for silence. Of all its codes only this one says that something took too long.
  'timed-out': 'ttl-expired',
};

/** The reply that tells why a stream could not be opened. */
export function socksReplyFor(code: ResetCode): SocksReply {
  return REPLIES[code] ?? 'general-failure';
}

const HTTP_ANSWER = Buffer.from(
  'HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n' +
    'This is a SOCKS proxy, and the program spoke HTTP to it. Enter it as a SOCKS5 proxy, or use the HTTP proxy instead.\n',
);
const NOTHING = Buffer.alloc(0);

/** What a stage of the handshake makes of its bytes: nothing while some are missing, else how many it took and what follows. */
interface Step {
  readonly taken: number;
  readonly event: SocksEvent;
  readonly next: Stage;
}

type Stage = 'greeting' | 'login' | 'request' | 'done';

function refusal(reason: SocksRefusal, bytes: Buffer = NOTHING): Step {
  return { taken: 0, event: { type: 'refused', reason, bytes }, next: 'done' };
}

function readGreeting(bytes: Buffer): Step | undefined {
  const version = bytes[0];
  if (version === 4) return readSocks4(bytes);
  if (version !== 5) {
    const isHttp = version !== undefined && version >= 0x41 && version <= 0x5a;
    return refusal('not-socks', isHttp ? HTTP_ANSWER : NOTHING);
  }
  const count = bytes[1];
  if (count === undefined || bytes.length < 2 + count) return undefined;
  const methods = bytes.subarray(2, 2 + count);
  const method = [METHOD_NONE, METHOD_PASSWORD].find((candidate) => methods.includes(candidate));
  if (method === undefined) return refusal('no-acceptable-method', Buffer.from([5, METHOD_NOT_ACCEPTABLE]));
  const event: SocksEvent = { type: 'reply', bytes: Buffer.from([5, method]) };
  return { taken: 2 + count, event, next: method === METHOD_NONE ? 'request' : 'login' };
}

/** Whoever is on this machine may use the proxy: user name and password are read past, not looked at. */
function readLogin(bytes: Buffer): Step | undefined {
  if (bytes[0] !== 1) return refusal('malformed', Buffer.from([1, 1]));
  const userBytes = bytes[1];
  if (userBytes === undefined) return undefined;
  const passwordBytes = bytes[2 + userBytes];
  if (passwordBytes === undefined) return undefined;
  const taken = 3 + userBytes + passwordBytes;
  if (bytes.length < taken) return undefined;
  return { taken, event: { type: 'reply', bytes: Buffer.from([1, 0]) }, next: 'request' };
}

/** Address and port as SOCKS5 writes them, at the start of `bytes`. */
interface AddressField {
  readonly host: string;
  readonly port: number;
  /** How many bytes it takes. */
  readonly taken: number;
}

/** Reads address and port (RFC 1928 §5); nothing while bytes are missing, 'unknown-type' for a type that there is not. */
export function readSocksAddress(bytes: Buffer): AddressField | 'unknown-type' | undefined {
  const [kind, first] = bytes;
  if (kind === undefined || first === undefined) return undefined;
  const start = kind === ADDRESS_NAME ? 2 : 1;
  const hostBytes = kind === ADDRESS_NAME ? first : ADDRESS_BYTES.get(kind);
  if (hostBytes === undefined) return 'unknown-type';
  const taken = start + hostBytes + 2;
  if (bytes.length < taken) return undefined;
  const address = bytes.subarray(start, taken - 2);
  const host = kind === ADDRESS_NAME ? address.toString('utf8') : formatIpAddress(address);
  return { host, port: bytes.readUInt16BE(taken - 2), taken };
}

function readRequest(bytes: Buffer): Step | undefined {
  if (bytes[0] !== 5) return refusal('malformed', socksReply(5, 'general-failure'));
  const address = readSocksAddress(bytes.subarray(3));
  if (address === undefined) return undefined;
  if (address === 'unknown-type') {
    return refusal('address-type-not-supported', socksReply(5, 'address-type-not-supported'));
  }
  const taken = 3 + address.taken;
  // From where the application will send its datagrams is seen when it does (§7 lets it say 0, and many programs say what is not so).
  if (bytes[1] === COMMAND_UDP_ASSOCIATE) return { taken, event: { type: 'associate' }, next: 'done' };
  if (bytes[1] !== COMMAND_CONNECT) return refusal('command-not-supported', socksReply(5, 'command-not-supported'));
  return connectTo(parseTarget(address.host, address.port), { version: 5, taken });
}

/** Reads text up to a zero byte: its end (the zero's offset), nothing while it is missing, or 'too-long'. */
function endOfText(bytes: Buffer, start: number): number | 'too-long' | undefined {
  const end = bytes.indexOf(0, start);
  const length = (end < 0 ? bytes.length : end) - start;
  if (length > MAX_SOCKS4_TEXT_BYTES) return 'too-long';
  return end < 0 ? undefined : end;
}

function readSocks4(bytes: Buffer): Step | undefined {
  if (bytes.length < 9) return undefined;
  const rejected = socksReply(4, 'general-failure');
  const userEnd = endOfText(bytes, 8);
  if (userEnd === undefined) return undefined;
  if (userEnd === 'too-long') return refusal('malformed', rejected);
  const hasName = bytes.readUIntBE(4, 3) === 0 && bytes[7] !== 0;
  const end = hasName ? endOfText(bytes, userEnd + 1) : userEnd;
  if (end === undefined) return undefined;
  if (end === 'too-long') return refusal('malformed', rejected);
  if (bytes[1] !== COMMAND_CONNECT) return refusal('command-not-supported', rejected);
  const host = hasName ? bytes.toString('utf8', userEnd + 1, end) : formatIpAddress(bytes.subarray(4, 8));
  return connectTo(parseTarget(host, bytes.readUInt16BE(2)), { version: 4, taken: end + 1 });
}

function connectTo(target: Target | undefined, request: { version: SocksVersion; taken: number }): Step {
  const { version, taken } = request;
  if (!target) return refusal('bad-target', socksReply(version, 'general-failure'));
  return { taken, event: { type: 'connect', version, target, rest: NOTHING }, next: 'done' };
}

const READERS = { greeting: readGreeting, login: readLogin, request: readRequest } as const;

/**
 * Reads one SOCKS handshake from bytes as they come. It never throws; after `connect`, `associate` or `refused` it ignores what it is fed.
 * It holds on to less than 600 bytes that it has not yet understood, and to no more than one call brings beyond them.
 */
export class Socks5Machine {
  #stage: Stage = 'greeting';
  #pending: Buffer = NOTHING;

  /** Takes what the application has sent and says what follows from it. */
  receive(bytes: Buffer): SocksEvent[] {
    const events: SocksEvent[] = [];
    let left = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
    while (this.#stage !== 'done' && left.length > 0) {
      const step = READERS[this.#stage](left);
      if (!step) break;
      left = left.subarray(step.taken);
      this.#stage = step.next;
      events.push(step.event.type === 'connect' ? { ...step.event, rest: left } : step.event);
    }
    this.#pending = this.#stage === 'done' ? NOTHING : left;
    return events;
  }
}
