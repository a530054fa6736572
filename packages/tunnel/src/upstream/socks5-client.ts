import { parseIpAddress } from '@rozan/protocol';
import { TunnelError } from '../errors.ts';
import type { ProxyStep, ProxyTalk, ProxyTarget } from './proxy-talk.ts';

const VERSION = 5;
const LOGIN_VERSION = 1;
const METHOD_NONE = 0;
const METHOD_LOGIN = 2;
const METHOD_REFUSED = 0xff;
const COMMAND_CONNECT = 1;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;
/** A length in these messages is one byte. */
const MAX_TEXT_BYTES = 0xff;

/** A user name and a password, at most 255 bytes each. Never to be logged. */
export interface Socks5Login {
  readonly user: Buffer;
  readonly password: Buffer;
}

/** What is asked of the other side, and how. */
export interface Socks5Request {
  readonly target: ProxyTarget;
  readonly login: Socks5Login | null;
  /** Whether the login is only for a proxy that asks for one. */
  readonly isLoginOptional: boolean;
}

/** What failures are called, by who it is that speaks SOCKS5 there. */
export interface Socks5Failures {
  notSocks(): TunnelError;
  /** It takes none of the methods that were offered. */
  noMethod(): TunnelError;
  wrongLogin(): TunnelError;
  /** A reply code of RFC 1928 §6 other than 0. */
  replied(code: number): TunnelError;
  hungUp(): TunnelError;
}

/** The client's half of SOCKS5 (RFC 1928), with a user name and password (RFC 1929) if there are any: a pure machine. */
export class Socks5Client implements ProxyTalk {
  readonly #request: Socks5Request;
  readonly #failures: Socks5Failures;
  readonly #methods: readonly number[];
  #state: 'method' | 'login' | 'reply' = 'method';
  #waiting = Buffer.alloc(0);

  constructor(request: Socks5Request, failures: Socks5Failures) {
    this.#request = request;
    this.#failures = failures;
    const { login, isLoginOptional } = request;
    const withLogin = isLoginOptional ? [METHOD_NONE, METHOD_LOGIN] : [METHOD_LOGIN];
    this.#methods = login === null ? [METHOD_NONE] : withLogin;
  }

  start(): Buffer {
    return Buffer.from([VERSION, this.#methods.length, ...this.#methods]);
  }

  hungUp(): TunnelError {
    return this.#failures.hungUp();
  }

  /** Throws one of its failures, or `bad-params` for a name that is too long. */
  receive(chunk: Buffer): ProxyStep {
    this.#waiting = Buffer.concat([this.#waiting, chunk]);
    const send: Buffer[] = [];
    for (;;) {
      if (this.#state === 'reply') return { send, leftover: this.#takeReply() };
      const next = this.#state === 'method' ? this.#takeMethod() : this.#takeLogin();
      if (next === null) return { send, leftover: null };
      send.push(next);
    }
  }

  #take(count: number): Buffer | null {
    if (this.#waiting.length < count) return null;
    const taken = this.#waiting.subarray(0, count);
    this.#waiting = this.#waiting.subarray(count);
    return taken;
  }

  #takeMethod(): Buffer | null {
    if (this.#waiting.length > 0 && this.#waiting[0] !== VERSION) throw this.#failures.notSocks();
    const [, method] = this.#take(2) ?? [];
    if (method === undefined) return null;
    if (method === METHOD_REFUSED) throw this.#failures.noMethod();
    if (!this.#methods.includes(method)) throw this.#failures.notSocks();
    const { login } = this.#request;
    this.#state = method === METHOD_LOGIN ? 'login' : 'reply';
    return method === METHOD_LOGIN && login !== null ? loginRequest(login) : connectRequest(this.#request.target);
  }

  #takeLogin(): Buffer | null {
    if (this.#waiting.length > 0 && this.#waiting[0] !== LOGIN_VERSION) throw this.#failures.notSocks();
    const answer = this.#take(2);
    if (answer === null) return null;
    if (answer[1] !== 0) throw this.#failures.wrongLogin();
    this.#state = 'reply';
    return connectRequest(this.#request.target);
  }

  /** The bytes behind the reply, or null while it is not whole. */
  #takeReply(): Buffer | null {
    const [version, reply, , kind, first] = this.#waiting;
    if (version !== undefined && version !== VERSION) throw this.#failures.notSocks();
    // Some proxies end after the code of a failure.
    if (reply !== undefined && reply !== 0) throw this.#failures.replied(reply);
    if (kind === undefined) return null;
    const length = this.#addressLength(kind, first);
    if (length === null || this.#take(4 + length + 2) === null) return null;
    return this.#waiting;
  }

  /** Bytes that the address of a reply takes; null where more has to come to tell. */
  #addressLength(kind: number, first: number | undefined): number | null {
    if (kind === ADDRESS_IPV4) return 4;
    if (kind === ADDRESS_IPV6) return 16;
    if (kind !== ADDRESS_NAME) throw this.#failures.notSocks();
    return first === undefined ? null : 1 + first;
  }
}

function connectRequest({ host, port }: ProxyTarget): Buffer {
  const literal = parseIpAddress(host);
  const name = Buffer.from(host, 'latin1');
  if (literal === undefined && name.length > MAX_TEXT_BYTES)
    throw new TunnelError('bad-params', 'the name is too long');
  const kind = literal?.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6;
  const address = literal === undefined ? [ADDRESS_NAME, name.length, ...name] : [kind, ...literal];
  return Buffer.from([VERSION, COMMAND_CONNECT, 0, ...address, port >> 8, port & 0xff]);
}

function loginRequest({ user, password }: Socks5Login): Buffer {
  return Buffer.concat([
    Buffer.from([LOGIN_VERSION]),
    ...[user, password].flatMap((part) => [Buffer.from([part.length]), part]),
  ]);
}
