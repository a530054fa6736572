import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Conn, Network, SocketAddress } from '../../../network.ts';

/** What a proxy does to those who go through it. */
export interface StrictProxyOptions {
  /** Holds each request and each answer back until it is whole. */
  readonly buffers?: boolean;
  /** Says `Connection: close` on both sides, and closes. */
  readonly closes?: boolean;
  /** Answers as HTTP/1.0 did: no chunks, no keep-alive, the end is the connection's. */
  readonly answersOldStyle?: boolean;
  /** Answers every request a second time from memory, and asks the listener twice for the first one. */
  readonly repeats?: boolean;
  /** The largest body it lets pass; 413 else, and answers are cut there. */
  readonly maxBytes?: number;
  /** Every so many requests it answers 503 and passes nothing on. */
  readonly failsEvery?: number;
}

/** A proxy in front of a listener. */
export interface StrictProxy {
  readonly address: SocketAddress;
  /** Longest body seen in either direction. */
  readonly largestBytes: number;
  readonly requests: number;
  readonly paths: readonly string[];
  close(): Promise<void>;
}

/** An HTTP proxy before `target`, with the bad manners of real ones. */
export async function startStrictProxy(
  network: Network,
  target: SocketAddress,
  options: StrictProxyOptions,
): Promise<StrictProxy> {
  const paths: string[] = [];
  const conns = new Set<Duplex>();
  let largestBytes = 0;
  const note = (bytes: number) => {
    largestBytes = Math.max(largestBytes, bytes);
  };
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    if (options.failsEvery !== undefined && paths.length % options.failsEvery === 0) {
      request.resume();
      response.writeHead(503, { Connection: options.closes ? 'close' : 'keep-alive', 'Content-Length': 4 }).end('busy');
      return;
    }
    forward(network, { target, request, response, options, note }).catch(() => response.destroy());
  });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conns.add(conn);
    conn.on('close', () => conns.delete(conn));
    server.emit('connection', conn);
    conn.resume();
  });
  return {
    address: listener.address,
    get largestBytes() {
      return largestBytes;
    },
    get requests() {
      return paths.length;
    },
    paths,
    close: async () => {
      await listener.close();
      for (const conn of conns) conn.destroy();
    },
  };
}

interface Passage {
  readonly target: SocketAddress;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly options: StrictProxyOptions;
  note(bytes: number): void;
}

async function forward(network: Network, passage: Passage): Promise<void> {
  const { target, request, response, options, note } = passage;
  const body = await readBody(request);
  note(body.length);
  if (body.length > (options.maxBytes ?? Number.POSITIVE_INFINITY)) {
    response.writeHead(413, { 'Content-Length': 0 }).end();
    return;
  }
  const ask = async (): Promise<IncomingMessage> =>
    askListener(await network.dial(target), { request, body, response });
  const answer = await ask();
  if (options.repeats && body.length > 0) {
    const again = await ask();
    await readBody(again).catch(() => {});
  }
  const headers: Record<string, string> = { 'Content-Type': answer.headers['content-type'] ?? 'text/plain' };
  if (options.closes || options.answersOldStyle) headers.Connection = 'close';
  if (options.answersOldStyle) response.useChunkedEncodingByDefault = false;
  if (options.buffers) {
    const whole = await readBody(answer);
    note(whole.length);
    if (!options.answersOldStyle) headers['Content-Length'] = String(whole.length);
    response.writeHead(answer.statusCode ?? 502, headers).end(whole);
    return;
  }
  response.writeHead(answer.statusCode ?? 502, headers);
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    note(bytes);
    response.write(chunk);
  });
  answer.on('end', () => response.end());
  answer.on('error', () => response.destroy());
}

function askListener(
  conn: Conn,
  { request, body, response }: { request: IncomingMessage; body: Buffer; response: ServerResponse },
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    response.once('close', () => conn.destroy());
    const asked = openRequest({
      createConnection: () => conn,
      method: request.method ?? 'GET',
      path: request.url ?? '/',
      headers: { Host: request.headers.host ?? '', 'Content-Length': body.length, Connection: 'close' },
    });
    asked.once('response', resolve).once('error', reject);
    asked.end(body);
  });
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}
