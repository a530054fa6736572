// Mirrors for tests: honest ones, lying ones, and somebody between an honest one and its client.
import { createServer, get, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import type { MirrorDial } from '../fetch/mirror-connection.ts';
import type { Storage } from '../storage/storage.ts';

/** What a liar sends in place of a file: other bytes, nothing, or whatever it writes itself. */
export type Lie = (name: string, honest: Buffer | null, response: ServerResponse) => Buffer | null | 'handled';

/** A mirror on loopback. */
export interface TestMirror extends AsyncDisposable {
  readonly url: string;
  /** Names of the files that were asked for. */
  readonly asked: string[];
}

/** Dials what the URL says, which is on loopback. */
export const dialLoopback: MirrorDial = ({ host, port }) =>
  new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    socket.once('connect', () => resolve(socket)).once('error', reject);
  });

const honestly: Lie = (_name, honest) => honest;

/** Serves a storage; by default honestly, with ranges. */
export function startMirror(storage: Storage, lie: Lie = honestly): Promise<TestMirror> {
  return start(async (name, request, response) =>
    answer(request, response, lie(name, await storage.read(name), response)),
  );
}

/** Somebody between a client and an honest mirror, who reads and changes what passes. */
export function startMiddle(mirror: TestMirror, lie: Lie): Promise<TestMirror> {
  return start(async (name, request, response) => {
    answer(request, response, lie(name, await fetchHonestly(`${mirror.url}${name}`), response));
  });
}

async function start(
  serve: (name: string, request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<TestMirror> {
  const asked: string[] = [];
  const listener: RequestListener = (request, response) => {
    const name = (request.url ?? '').replace(/^\/papers\//, '');
    asked.push(name);
    serve(name, request, response).catch(() => response.destroy());
  };
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/papers/`,
    asked,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function answer(request: IncomingMessage, response: ServerResponse, body: Buffer | null | 'handled'): void {
  if (body === 'handled') return;
  if (body === null) {
    response.writeHead(404).end();
    return;
  }
  const from = Number(/^bytes=([0-9]+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
  if (from === 0) response.writeHead(200, { 'content-length': body.length }).end(body);
  else
    response
      .writeHead(206, { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` })
      .end(body.subarray(from));
}

function fetchHonestly(url: string): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    get(url, { agent: false }, (response) => {
      const pieces: Buffer[] = [];
      response.on('data', (bytes: Buffer) => pieces.push(bytes));
      response.on('end', () => resolve(response.statusCode === 200 ? Buffer.concat(pieces) : null));
      response.on('error', reject);
    }).on('error', reject);
  });
}
