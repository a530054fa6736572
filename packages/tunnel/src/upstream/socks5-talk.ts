import { parseIpAddress } from '@rozan/protocol';
import { TunnelError, type TunnelErrorCode } from '../errors.ts';
import type { Credentials, ProxyStep, ProxyTalk, ProxyTarget } from './proxy-talk.ts';

const VERSION = 5;
const LOGIN_VERSION = 1;
const METHOD_NONE = 0;
const METHOD_LOGIN = 2;
const METHOD_REFUSED = 0xff;
const COMMAND_CONNECT = 1;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;

/** What the replies of RFC 1928 §6 mean for us. */
const REPLIES: ReadonlyMap<number, readonly [TunnelErrorCode, string]> = new Map([
  [1, ['proxy-failed', 'the upstream proxy has failed']],
  [2, ['proxy-denied', 'the upstream proxy refuses to connect there']],
  [3, ['unreachable', 'the upstream proxy finds no way there']],
  [4, ['unreachable', 'the upstream proxy finds no way there']],
  [5, ['refused', 'the connection was refused, says the upstream proxy']],
  [6, ['timed-out', 'the upstream proxy has waited in vain']],
  [7, ['proxy-denied', 'the upstream proxy does not connect for others']],
  [8, ['proxy-denied', 'the upstream proxy does not know such addresses']],
]);

/** Asks a SOCKS5 proxy for a connection (RFC 1928), with a user name and password (RFC 1929) if there are any: a pure machine. */
export class Socks5Talk implements ProxyTalk {
  readonly #target: ProxyTarget;
  readonly #credentials: Credentials | null;
  #state: 'method' | 'login' | 'reply' = 'method';
  #waiting = Buffer.alloc(0);

  constructor(target: ProxyTarget, credentials: Credentials | null) {
    this.#target = target;
    this.#credentials = credentials;
  }

  start(): Buffer {
    const methods = this.#credentials === null ? [METHOD_NONE] : [METHOD_NONE, METHOD_LOGIN];
    return Buffer.from([VERSION, methods.length, ...methods]);
  }

  /** Throws a `TunnelError` (`proxy-failed`, `proxy-denied`, `proxy-login`, `refused`, `unreachable`, `timed-out`). */
  receive(chunk: Buffer): ProxyStep {
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    const sent: Buffer[] = [];
    const send = () => (sent.length === 0 ? null : Buffer.concat(sent));
    for (;;) {
      if (this.#state === 'reply') return { send: send(), leftover: this.#takeReply() };
      const next = this.#state === 'method' ? this.#takeMethod() : this.#takeLogin();
      if (next === null) return { send: send(), leftover: null };
      sent.push(next);
    }
  }

  #take(count: number): Buffer | null {
    if (this.#waiting.length < count) return null;
    const taken = this.#waiting.subarray(0, count);
    this.#waiting = this.#waiting.subarray(count);
    return taken;
  }

  #takeMethod(): Buffer | null {
    if (this.#waiting.length > 0 && this.#waiting[0] !== VERSION) throw notSocks();
    const answer = this.#take(2);
    if (answer === null) return null;
    const method = answer[1];
    if (method === METHOD_REFUSED) throw wantsLogin();
    if (method === METHOD_NONE) {
      this.#state = 'reply';
      return connectRequest(this.#target);
    }
    if (method !== METHOD_LOGIN || this.#credentials === null) throw notSocks();
    this.#state = 'login';
    return loginRequest(this.#credentials);
  }

  #takeLogin(): Buffer | null {
    if (this.#waiting.length > 0 && this.#waiting[0] !== LOGIN_VERSION) throw notSocks();
    const answer = this.#take(2);
    if (answer === null) return null;
    if (answer[1] !== 0) throw wantsLogin();
    this.#state = 'reply';
    return connectRequest(this.#target);
  }

  /** The bytes behind the reply, or null while it is not whole. */
  #takeReply(): Buffer | null {
    const [version, reply, , kind, first] = this.#waiting;
    if (version !== undefined && version !== VERSION) throw notSocks();
    // Some proxies end after the code of a failure.
    if (reply !== undefined && reply !== 0) {
      const [code, message] = REPLIES.get(reply) ?? REPLIES.get(1) ?? ['proxy-failed', ''];
      throw new TunnelError(code, message);
    }
    if (kind === undefined) return null;
    const length = addressLength(kind, first);
    if (length === null || this.#take(4 + length + 2) === null) return null;
    return this.#waiting;
  }
}

/** Bytes that the address of a reply takes; null where more has to come to tell. */
function addressLength(kind: number, first: number | undefined): number | null {
  if (kind === ADDRESS_IPV4) return 4;
  if (kind === ADDRESS_IPV6) return 16;
  if (kind !== ADDRESS_NAME) throw notSocks();
  return first === undefined ? null : 1 + first;
}

function connectRequest({ host, port }: ProxyTarget): Buffer {
  const literal = parseIpAddress(host);
  const name = Buffer.from(host, 'latin1');
  if (literal === undefined && name.length > 0xff) throw new TunnelError('bad-params', 'the name is too long');
  const kind = literal?.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
  const address = literal === undefined ? [ADDRESS_NAME, name.length, ...name] : [kind, ...literal];
  return Buffer.from([VERSION, COMMAND_CONNECT, 0, ...address, port >> 8, port & 0xff]);
}

function loginRequest({ user, password }: Credentials): Buffer {
  const parts = [user, password].map((text) => Buffer.from(text, 'utf8'));
  return Buffer.concat([Buffer.from([LOGIN_VERSION]), ...parts.flatMap((part) => [Buffer.from([part.length]), part])]);
}

function notSocks(): TunnelError {
  return new TunnelError('proxy-failed', 'the upstream proxy does not speak SOCKS5');
}

function wantsLogin(): TunnelError {
  return new TunnelError('proxy-login', 'the upstream proxy wants a user name and a password, or others');
}
