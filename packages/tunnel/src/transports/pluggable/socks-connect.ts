// The client's half of SOCKS5 (RFC 1928) with its user name/password method (RFC 1929), as client executables speak it.
import { parseIpAddress } from '@rozan/protocol';
import { TunnelError, type TunnelErrorCode } from '../../errors.ts';
import type { Conn, SocketAddress } from '../../network.ts';
import type { SocksLogin } from './arguments.ts';
import { MAX_SOCKS_TEXT_BYTES } from './limits.ts';

const METHOD_NONE = 0;
const METHOD_PASSWORD = 2;
const ADDRESS_IPV4 = 1;
const ADDRESS_NAME = 3;
const ADDRESS_IPV6 = 4;
const ADDRESS_BYTES: ReadonlyMap<number | undefined, number> = new Map([
  [ADDRESS_IPV4, 4],
  [ADDRESS_IPV6, 16],
]);

/** The reply codes of RFC 1928 §6 in our words. */
const FAILURES: ReadonlyMap<number, TunnelErrorCode> = new Map<number, TunnelErrorCode>([
  [3, 'unreachable'],
  [4, 'unreachable'],
  [5, 'refused'],
  [6, 'timed-out'],
]);

/** What one side of the handshake sends first, and what the other makes of it. */
export interface SocksRequest {
  readonly target: SocketAddress;
  readonly login: SocksLogin | null;
}

type Step = (bytes: Buffer) => { readonly taken: number; readonly send?: Buffer; readonly next: Step | null } | null;

/** A name is only there where a proxy has to resolve it. */
function hostBytes(host: string): readonly number[] {
  const address = parseIpAddress(host);
  if (address !== undefined) return [address.length === 4 ? ADDRESS_IPV4 : ADDRESS_IPV6, ...address];
  const name = Buffer.from(host, 'latin1');
  if (name.length > MAX_SOCKS_TEXT_BYTES) throw new TunnelError('failed', 'the name is too long');
  return [ADDRESS_NAME, name.length, ...name];
}

/** The bytes of a request to connect. */
function requestBytes({ host, port }: SocketAddress): Buffer {
  return Buffer.from([5, 1, 0, ...hostBytes(host), port >> 8, port & 0xff]);
}

function loginBytes({ user, password }: SocksLogin): Buffer {
  return Buffer.concat([Buffer.from([1, user.length]), user, Buffer.from([password.length]), password]);
}

/** Reads the answers to one request, as they come. */
export class SocksAnswers {
  /** What is sent before anything is read. */
  readonly greeting: Buffer;
  #step: Step | null;
  #pending: Buffer = Buffer.alloc(0);

  constructor({ target, login }: SocksRequest) {
    const method = login === null ? METHOD_NONE : METHOD_PASSWORD;
    this.greeting = Buffer.from([5, 1, method]);
    const request = requestBytes(target);
    const onLogin: Step = (bytes) => {
      if (bytes.length < 2) return null;
      if (bytes[1] !== 0) throw new TunnelError('bad-params', 'the executable refuses the arguments of its transport');
      return { taken: 2, send: request, next: readReply };
    };
    this.#step = (bytes) => {
      if (bytes.length < 2) return null;
      if (bytes[0] !== 5 || bytes[1] !== method) throw notSocks();
      if (login === null) return { taken: 2, send: request, next: readReply };
      return { taken: 2, send: loginBytes(login), next: onLogin };
    };
  }

  /**
   * Takes what has come. Gives what is to be sent, and, once connected, what came behind the answer. Throws a `TunnelError`: what the answer
   * says, or `violation` where it is none.
   */
  receive(chunk: Buffer): { readonly send: readonly Buffer[]; readonly leftover: Buffer | null } {
    const send: Buffer[] = [];
    let left = Buffer.concat([this.#pending, chunk]);
    while (this.#step !== null) {
      const done = this.#step(left);
      if (done === null) break;
      left = left.subarray(done.taken);
      this.#step = done.next;
      if (done.send !== undefined) send.push(done.send);
    }
    this.#pending = this.#step === null ? Buffer.alloc(0) : left;
    return { send, leftover: this.#step === null ? left : null };
  }
}

const readReply: Step = (bytes) => {
  const [version, reply, , kind, nameBytes] = bytes;
  if (version === undefined || reply === undefined) return null;
  if (version !== 5) throw notSocks();
  if (reply !== 0) throw new TunnelError(FAILURES.get(reply) ?? 'failed', 'the pluggable transport did not connect');
  if (nameBytes === undefined) return null;
  const addressBytes = kind === ADDRESS_NAME ? 1 + nameBytes : ADDRESS_BYTES.get(kind);
  if (addressBytes === undefined) throw notSocks();
  const taken = 4 + addressBytes + 2;
  return bytes.length < taken ? null : { taken, next: null };
};

function notSocks(): TunnelError {
  return new TunnelError('violation', 'the executable does not speak SOCKS5');
}

/**
 * Has a client executable connect, over a fresh connection to its SOCKS port; resolves with what already came from the far end, and leaves
 * the connection paused. Rejects with a `TunnelError` or the signal's reason; the connection is closed then.
 */
export function socksConnect(conn: Conn, request: SocksRequest, signal: AbortSignal): Promise<Buffer> {
  const answers = new SocksAnswers(request);
  return new Promise((resolve, reject) => {
    const stop = () => {
      conn.pause();
      conn.off('data', onData).off('end', onEnd).off('close', onEnd);
      signal.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown) => {
      stop();
      conn.destroy();
      reject(error);
    };
    const onEnd = () => fail(new TunnelError('failed', 'the pluggable transport closed the connection'));
    const onAbort = () => fail(signal.reason);
    const onData = (chunk: Buffer) => {
      try {
        const { send, leftover } = answers.receive(chunk);
        for (const bytes of send) conn.write(bytes);
        if (leftover === null) return;
        stop();
        resolve(leftover);
      } catch (error) {
        fail(error);
      }
    };
    conn.on('error', () => {});
    conn.on('data', onData).on('end', onEnd).on('close', onEnd);
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else if (conn.destroyed) onEnd();
    else conn.write(answers.greeting);
  });
}
