import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Conn, Env, SocketAddress } from '@rozan/tunnel';

/** The most that `/bytes/N` gives, in MB. */
const MAX_MB = 10_000;
const CHUNK_BYTES = 64 * 1024;
const MB = 1_000_000;
const IMAGES = 6;

/** The demo's web site: something to fetch on a machine with no internet. */
export interface DemoSite extends AsyncDisposable {
  readonly address: SocketAddress;
  /** The home page. */
  readonly url: string;
}

const COLOURS = ['#c2452d', '#d98b2b', '#3b7d5e', '#2f6690', '#6a4c93', '#8d99a6'];

function image(number: number): string {
  const colour = COLOURS[number % COLOURS.length] ?? '#444444';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="160" viewBox="0 0 120 160"><rect width="120" height="160" fill="#222"/>
<path d="M30 150V70a30 30 0 0 1 60 0v80z" fill="${colour}"/><path d="M30 110h60M60 40v110" stroke="#222" stroke-width="4"/></svg>`;
}

function homePage(): string {
  const images = Array.from(
    { length: IMAGES },
    (_, index) => `<img src="/image/${index}.svg" alt="window ${index + 1}">`,
  ).join('\n');
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Rozan demo site</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:48em;margin:3em auto;padding:0 1em}
.windows{display:grid;grid-template-columns:repeat(auto-fit,minmax(6em,1fr));gap:.8em;margin:1.5em 0}img{width:100%}</style></head>
<body><h1>It works</h1>
<p>This page came through a relay. Cut the connection under it as often as you like: downloads go on.</p>
<div class="windows">${images}</div>
<ul><li><a href="/bytes/100">100 MB to download</a></li>
<li><code>curl -T FILE …/upload</code> answers with the SHA-256 of what arrived</li></ul></body></html>`;
}

/** Bytes that look random and are the same every time, so that their hash can be compared. */
function sendBytes(response: ServerResponse, megabytes: number): void {
  const seed = createHash('sha512').update('rozan demo').digest();
  const chunk = Buffer.concat(
    Array.from({ length: CHUNK_BYTES / 64 }, (_, index) =>
      createHash('sha512').update(seed).update(String(index)).digest(),
    ),
  );
  let left = megabytes * MB;
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': left });
  const push = () => {
    while (left > 0) {
      const piece = chunk.subarray(0, Math.min(left, chunk.length));
      left -= piece.length;
      if (!response.write(piece)) {
        response.once('drain', push);
        return;
      }
    }
    response.end();
  };
  push();
}

function receiveUpload(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256');
  let bytes = 0;
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk);
    bytes += chunk.length;
  });
  request.on('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(`${JSON.stringify({ bytes, sha256: hash.digest('hex') })}\n`);
  });
}

function answer(request: IncomingMessage, response: ServerResponse): void {
  const path = request.url ?? '/';
  const picture = /^\/image\/(\d)\.svg$/.exec(path);
  const bytes = /^\/bytes\/(\d{1,5})$/.exec(path);
  if (path === '/') response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' }).end(homePage());
  else if (picture !== null)
    response.writeHead(200, { 'content-type': 'image/svg+xml' }).end(image(Number(picture[1])));
  else if (bytes !== null && Number(bytes[1]) <= MAX_MB) sendBytes(response, Number(bytes[1]));
  else if (path === '/upload' && (request.method === 'PUT' || request.method === 'POST'))
    receiveUpload(request, response);
  else response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
}

/** Starts the site at a free port of 127.0.0.1. */
export async function createDemoSite(env: Env): Promise<DemoSite> {
  const server: Server = createServer(answer);
  const conns = new Set<Conn>();
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conns.add(conn);
    conn.on('error', () => conn.destroy());
    conn.once('close', () => conns.delete(conn));
    server.emit('connection', conn);
  });
  return {
    address: listener.address,
    url: `http://127.0.0.1:${listener.address.port}/`,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of conns) conn.destroy();
      server.close();
    },
  };
}
