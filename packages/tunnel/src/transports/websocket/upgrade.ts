// The opening handshake of RFC 6455 §4, as a browser and a web server make it.
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../../errors.ts';
import { writeCookie } from './flight-cookie.ts';
import { MAX_ANSWER_BYTES } from './limits.ts';
import type { WebSocketParams } from './params.ts';

/** RFC 6455 §1.3. */
const ACCEPT_GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const KEY_BYTES = 16;

/** Browsers of mid-2026. A relay's clients all name the same one: which, its path says. */
const USER_AGENTS = [
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/148.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36',
  'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Mobile Safari/537.36',
] as const;

/** A request's key in base64, 16 fresh bytes. */
export function upgradeKey(random: (count: number) => Buffer): string {
  return random(KEY_BYTES).toString('base64');
}

/** The header fields of a page of `host` that opens a WebSocket, in a Chromium's order. */
export function upgradeHeaders(
  params: WebSocketParams,
  { host, key, flight }: RequestParts,
): [name: string, value: string][] {
  const scheme = params.tls === 'none' ? 'http' : 'https';
  const agentAt = createHash('sha256').update(params.path).digest().readUInt32BE(0) % USER_AGENTS.length;
  return [
    ['Host', host],
    ['Connection', 'Upgrade'],
    ['Pragma', 'no-cache'],
    ['Cache-Control', 'no-cache'],
    ['User-Agent', USER_AGENTS[agentAt] ?? USER_AGENTS[0]],
    ['Upgrade', 'websocket'],
    ['Origin', `${scheme}://${host}`],
    ['Sec-WebSocket-Version', '13'],
    ['Accept-Encoding', `gzip, deflate${scheme === 'https' ? ', br, zstd' : ''}`],
    ['Accept-Language', 'en-US,en;q=0.9'],
    ['Cookie', writeCookie({ name: params.cookie, key: params.key }, flight)],
    ['Sec-WebSocket-Key', key],
    ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'],
  ];
}

/** The request that these fields belong to. */
export function upgradeRequest(params: WebSocketParams, parts: RequestParts): Buffer {
  const fields = upgradeHeaders(params, parts).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.from(`GET ${params.path} HTTP/1.1\r\n${fields.join('')}\r\n`);
}

/** What a request is made of, beside the params. */
export interface RequestParts {
  /** For `Host` and `Origin`. */
  readonly host: string;
  readonly key: string;
  readonly flight: Buffer;
}

/**
 * The value of a header field, its first; null where there is none. `request.headers` would be made for this, which strangers could see by the time
 * it takes: the site does without.
 */
export function fieldOf({ rawHeaders }: Pick<IncomingMessage, 'rawHeaders'>, name: string): string | null {
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) {
    const found = rawHeaders[at] ?? '';
    if (found.length === name.length && found.toLowerCase() === name) return rawHeaders[at + 1] ?? null;
  }
  return null;
}

/** Whether a request opens a WebSocket as RFC 6455 §4.2.1 wants it; Node has looked at `Connection` and `Upgrade` already. */
export function isUpgrade(request: IncomingMessage): boolean {
  return (
    request.method === 'GET' &&
    request.httpVersion === '1.1' &&
    fieldOf(request, 'upgrade')?.toLowerCase() === 'websocket' &&
    fieldOf(request, 'sec-websocket-version') === '13' &&
    /^[A-Za-z0-9+/]{22}==$/.test(fieldOf(request, 'sec-websocket-key') ?? '')
  );
}

/** A web server's consent. */
export function upgradeAnswer(key: string): Buffer {
  return Buffer.from(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`,
  );
}

function acceptOf(key: string): string {
  return createHash('sha1')
    .update(key + ACCEPT_GUID)
    .digest('base64');
}

/** The same request as a server has received it, to be read once more by another one. */
export function rewriteRequest({ method, url, httpVersion, rawHeaders }: IncomingMessage): Buffer {
  let text = `${method} ${url} HTTP/${httpVersion}\r\n`;
  for (let at = 0; at + 1 < rawHeaders.length; at += 2) text += `${rawHeaders[at]}: ${rawHeaders[at + 1]}\r\n`;
  return Buffer.from(`${text}\r\n`, 'latin1');
}

/** Reads a server's answer to `upgradeRequest`, in pieces of any size. */
export class AnswerReader {
  readonly #accept: Buffer;
  #bytes: Buffer = Buffer.alloc(0);

  constructor(key: string) {
    this.#accept = Buffer.from(acceptOf(key));
  }

  /** What came behind a consent, or null while that is not whole. Throws a `TunnelError` (`failed`) for any other answer. */
  push(chunk: Buffer): Buffer | null {
    const before = this.#bytes.length;
    this.#bytes = before === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const end = this.#bytes.indexOf('\r\n\r\n', Math.max(0, before - 3));
    if (end > MAX_ANSWER_BYTES || (end < 0 && this.#bytes.length > MAX_ANSWER_BYTES)) {
      throw new TunnelError('failed', 'the answer of the web server has no end');
    }
    if (end < 0) return null;
    this.#check(this.#bytes.toString('latin1', 0, end));
    return this.#bytes.subarray(end + 4);
  }

  #check(head: string): void {
    const [statusLine = '', ...lines] = head.split('\r\n');
    const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine)?.[1];
    if (status === undefined) throw new TunnelError('failed', 'the answer is not HTTP');
    if (status !== '101') throw new TunnelError('failed', `the web server answers with status ${status}`);
    const headers = new Map(
      lines.map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const accept = Buffer.from(headers.get('sec-websocket-accept') ?? '');
    const isOurs = accept.length === this.#accept.length && timingSafeEqual(accept, this.#accept);
    if (!isOurs || headers.get('upgrade')?.toLowerCase() !== 'websocket' || headers.has('sec-websocket-extensions')) {
      throw new TunnelError('failed', 'the web server has agreed to something else');
    }
  }
}
