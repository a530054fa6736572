import { createCipheriv, createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Conn, Env, SocketAddress } from '@rozan/tunnel';

const CHUNK_BYTES = 64 * 1024;
/** A paced download is filled up so often. */
const PACE_MS = 50;
const MAX_BYTES = 1_000_000_000;

/** The small page of the evaluation: what a news page weighs without its pictures. */
export const PAGE_BYTES = 100_000;

/** The site outside that everybody in the lab wants to reach. */
export interface LabSite extends AsyncDisposable {
  readonly address: SocketAddress;
}

/** Bytes that look random, the same every time, and no two pieces alike: whatever is lost, repeated or moved shows in the hash. */
function createStream(): (count: number) => Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, 'lab'), Buffer.alloc(16));
  return (count) => cipher.update(Buffer.alloc(count));
}

/** The SHA-256, in hexadecimal, of a download of so many bytes. */
export function expectedHash(bytes: number): string {
  const next = createStream();
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= CHUNK_BYTES) hash.update(next(Math.min(left, CHUNK_BYTES)));
  return hash.digest('hex');
}

/** Sends so many bytes, as fast as they are taken, or at so many bytes a second. */
function sendBytes(response: ServerResponse, bytes: number, bytesPerSecond: number): void {
  const next = createStream();
  const startMs = performance.now();
  let sent = 0;
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': bytes });
  const push = () => {
    const due = bytesPerSecond > 0 ? ((performance.now() - startMs) / 1000) * bytesPerSecond : bytes;
    while (sent < Math.min(bytes, due)) {
      if (response.destroyed) return;
      const piece = next(Math.min(CHUNK_BYTES, bytes - sent, Math.ceil(due - sent)));
      sent += piece.length;
      if (!response.write(piece)) {
        response.once('drain', push);
        return;
      }
    }
    if (sent === bytes) response.end();
    else setTimeout(push, PACE_MS);
  };
  push();
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const [, bytes, rate] = /^\/bytes\/(\d{1,10})(?:\/(\d{1,10}))?$/.exec(request.url ?? '') ?? [];
  if (request.method === 'POST') {
    request.resume().on('end', () => response.end('ok\n'));
  } else if (bytes !== undefined && Number(bytes) <= MAX_BYTES) {
    sendBytes(response, Number(bytes), Number(rate ?? 0));
  } else {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
  }
}

/** Starts the site. `/bytes/N` gives N bytes, `/bytes/N/R` so many a second. */
export async function startLabSite(env: Env, host = '127.0.0.1'): Promise<LabSite> {
  const server = createServer(answer);
  server.requestTimeout = 0;
  const conns = new Set<Conn>();
  const listener = await env.network.listen({ host, port: 0 }, (conn) => {
    conns.add(conn);
    conn.on('error', () => conn.destroy());
    conn.once('close', () => conns.delete(conn));
    server.emit('connection', conn);
  });
  return {
    address: listener.address,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of conns) conn.destroy();
      server.close();
    },
  };
}
