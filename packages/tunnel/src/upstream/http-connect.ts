import { TunnelError } from '../errors.ts';
import { MAX_PROXY_HEAD_BYTES } from '../limits.ts';
import type { Credentials, ProxyStep, ProxyTalk, ProxyTarget } from './proxy-talk.ts';

const HEAD_END = Buffer.from('\r\n\r\n');
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n/;

/** Asks an HTTP proxy for a tunnel (RFC 9110 §9.3.6), with Basic credentials (RFC 7617) if there are any: a pure machine. */
export class HttpConnectTalk implements ProxyTalk {
  readonly #request: Buffer;
  #head = Buffer.alloc(0);

  constructor(target: ProxyTarget, credentials: Credentials | null) {
    const place = `${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`;
    const lines = [`CONNECT ${place} HTTP/1.1`, `Host: ${place}`];
    if (credentials !== null) {
      const pair = Buffer.from(`${credentials.user}:${credentials.password}`, 'utf8').toString('base64');
      lines.push(`Proxy-Authorization: Basic ${pair}`);
    }
    this.#request = Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  }

  start(): Buffer {
    return this.#request;
  }

  hungUp(): TunnelError {
    return new TunnelError('proxy-failed', 'the upstream proxy has hung up');
  }

  /** Throws a `TunnelError` (`proxy-failed`, `proxy-denied`, `proxy-login`, `refused`, `timed-out`). */
  receive(chunk: Buffer): ProxyStep {
    const before = this.#head.length;
    this.#head = Buffer.concat([this.#head, chunk]);
    if (!mayBeStatus(this.#head)) throw new TunnelError('proxy-failed', 'the upstream proxy does not speak HTTP');
    // The end may have begun in what had come before.
    const end = this.#head.indexOf(HEAD_END, Math.max(0, before - HEAD_END.length + 1));
    if (end < 0) {
      if (this.#head.length >= MAX_PROXY_HEAD_BYTES + HEAD_END.length) throw tooLong();
      return { send: [], leftover: null };
    }
    if (end > MAX_PROXY_HEAD_BYTES) throw tooLong();
    checkStatus(this.#head.subarray(0, end + 2).toString('latin1'));
    return { send: [], leftover: this.#head.subarray(end + HEAD_END.length) };
  }
}

function tooLong(): TunnelError {
  return new TunnelError('proxy-failed', 'the answer of the upstream proxy is too long');
}

/** Whether an answer that begins like this can still become one. */
function mayBeStatus(head: Buffer): boolean {
  const start = 'HTTP/1.';
  return start.startsWith(head.toString('latin1', 0, start.length));
}

/** A 2xx has no body here, whatever its fields say (RFC 9110 §9.3.6). */
function checkStatus(head: string): void {
  const status = Number(STATUS_LINE.exec(head)?.[1]);
  if (status >= 200 && status < 300) return;
  if (status === 407) throw new TunnelError('proxy-login', 'the upstream proxy wants a user name and a password (407)');
  if (status === 502 || status === 503)
    throw new TunnelError('refused', `the upstream proxy could not connect (${status})`);
  if (status === 504 || status === 408)
    throw new TunnelError('timed-out', `the upstream proxy has waited in vain (${status})`);
  if (Number.isNaN(status)) throw new TunnelError('proxy-failed', 'the upstream proxy does not speak HTTP');
  throw new TunnelError('proxy-denied', `the upstream proxy refuses to connect there (${status})`);
}
