// The server's half of tor's extended ORPort (tor-spec proposals 196 and 217; ext-orport-spec): how a server executable says from where a
// connection comes. First it shows that it can read a file of ours, and we that we know what is in it; then it tells, in messages.
//
//   us      01 00                                  the kinds of authentication, SAFE_COOKIE alone, and the end of the list
//   it      01 ‖ client nonce 32
//   us      server hash 32 ‖ server nonce 32
//   it      client hash 32
//   us      01 (it may go on) or 00
//   it      command u16 ‖ length u16 ‖ body, until the command is DONE
//   us      OKAY u16 ‖ 0000, and then the connection itself begins
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseAddress } from '../../address.ts';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { MAX_PREAMBLE_BODY_BYTES } from './limits.ts';

const SAFE_COOKIE = 1;
const NONCE_BYTES = 32;
const HASH_BYTES = 32;
const COOKIE_HEADER = '! Extended ORPort Auth Cookie !\n';
const SERVER_HASH = 'ExtORPort authentication server-to-client hash';
const CLIENT_HASH = 'ExtORPort authentication client-to-server hash';
const HEAD_BYTES = 4;
const DONE = 0;
const USER_ADDRESS = 1;
const OKAY = Buffer.from([0x10, 0, 0, 0]);
/** Messages of one preamble; executables send two or three. */
const MAX_MESSAGES = 16;

/** A cookie is of so many bytes. */
export const COOKIE_BYTES = 32;

/** The file by which an executable shows that it is one of ours. */
export function cookieFile(cookie: Buffer): Buffer {
  return Buffer.concat([Buffer.from(COOKIE_HEADER), cookie]);
}

function hashOf(cookie: Buffer, text: string, nonces: readonly Buffer[]): Buffer {
  const hmac = createHmac('sha256', cookie).update(text);
  for (const nonce of nonces) hmac.update(nonce);
  return hmac.digest();
}

/** What the preamble has come to. */
export interface PreambleEnd {
  /** Of the far end, where the executable knows it. */
  readonly remoteAddress: string | undefined;
  readonly leftover: Buffer;
}

type Stage = 'nonce' | 'hash' | 'messages' | 'over';

/** Reads the preamble of one connection, as it comes. */
export class ExtendedPreamble {
  /** What is sent before anything is read. */
  static readonly greeting: Buffer = Buffer.from([SAFE_COOKIE, 0]);
  readonly #cookie: Buffer;
  readonly #random: Random;
  #stage: Stage = 'nonce';
  #pending: Buffer = Buffer.alloc(0);
  #expected: Buffer = Buffer.alloc(0);
  #remoteAddress: string | undefined;
  #messages = 0;

  constructor(cookie: Buffer, random: Random) {
    this.#cookie = cookie;
    this.#random = random;
  }

  /** Takes what has come; gives what is to be sent and, at its end, what it has come to. Throws a `TunnelError` (`violation`). */
  receive(chunk: Buffer): { readonly send: readonly Buffer[]; readonly end: PreambleEnd | null } {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    const send: Buffer[] = [];
    for (let answer = this.#next(); answer !== null; answer = this.#next()) send.push(answer);
    if (this.#stage !== 'over') return { send, end: null };
    return { send, end: { remoteAddress: this.#remoteAddress, leftover: this.#pending } };
  }

  /** The answer to the next complete part, empty if it has none; null while none is complete. */
  #next(): Buffer | null {
    switch (this.#stage) {
      case 'nonce':
        return this.#readNonce();
      case 'hash':
        return this.#readHash();
      case 'messages':
        return this.#readMessage();
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

  #readNonce(): Buffer | null {
    if (this.#pending.length > 0 && this.#pending[0] !== SAFE_COOKIE) throw violation();
    const clientNonce = this.#take(1 + NONCE_BYTES)?.subarray(1);
    if (clientNonce === undefined) return null;
    const serverNonce = this.#random.bytes(NONCE_BYTES);
    const nonces = [clientNonce, serverNonce];
    this.#expected = hashOf(this.#cookie, CLIENT_HASH, nonces);
    this.#stage = 'hash';
    return Buffer.concat([hashOf(this.#cookie, SERVER_HASH, nonces), serverNonce]);
  }

  #readHash(): Buffer | null {
    const hash = this.#take(HASH_BYTES);
    if (hash === null) return null;
    if (!timingSafeEqual(hash, this.#expected)) throw violation();
    this.#stage = 'messages';
    return Buffer.from([1]);
  }

  #readMessage(): Buffer | null {
    if (this.#pending.length < HEAD_BYTES) return null;
    const command = this.#pending.readUInt16BE(0);
    const bodyBytes = this.#pending.readUInt16BE(2);
    if (bodyBytes > MAX_PREAMBLE_BODY_BYTES || this.#messages === MAX_MESSAGES) throw violation();
    const body = this.#take(HEAD_BYTES + bodyBytes)?.subarray(HEAD_BYTES);
    if (body === undefined) return null;
    this.#messages += 1;
    if (command === USER_ADDRESS) this.#remoteAddress = readHost(body.toString('latin1'));
    if (command !== DONE) return Buffer.alloc(0);
    this.#stage = 'over';
    return OKAY;
  }
}

/** An executable that knows no address says something else, which is no reason to refuse the connection. */
function readHost(text: string): string | undefined {
  try {
    return parseAddress(text).host;
  } catch {
    return undefined;
  }
}

function violation(): TunnelError {
  return new TunnelError('violation', 'the preamble is not that of an executable of ours');
}
