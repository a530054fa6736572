import { createServer, type Server, type ServerResponse } from 'node:http';
import { gzipSync } from 'node:zlib';
import { createFolderStorage, type Storage } from '@rozan/publication';
import type { Env } from '@rozan/tunnel';

/** A mirror of a publication: a web server over a folder, and nothing else. */
export interface DemoMirror extends AsyncDisposable {
  /** The base URL, with a slash at the end. */
  readonly url: string;
  readonly address: { readonly host: string; readonly port: number };
}

async function answer(storage: Storage, name: string, response: ServerResponse): Promise<void> {
  const bytes = await storage.read(name).catch(() => null);
  if (bytes === null) {
    response.writeHead(404).end();
    return;
  }
  if (!name.startsWith('metadata/')) {
    response.writeHead(200, { 'content-length': bytes.length }).end(bytes);
    return;
  }
  const packed = gzipSync(bytes);
  response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed);
}

function serve(folder: string): Server {
  const storage = createFolderStorage(folder);
  return createServer((request, response) => {
    const name = (request.url ?? '').slice(1);
    if (request.method !== 'GET') response.writeHead(405).end();
    else void answer(storage, name, response);
  });
}

/** Serves a folder on loopback. */
export async function createDemoMirror(env: Env, folder: string): Promise<DemoMirror> {
  const server = serve(folder);
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.on('error', () => conn.destroy());
    server.emit('connection', conn);
  });
  const { address } = listener;
  return {
    url: `http://${address.host}:${address.port}/`,
    address,
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      server.closeAllConnections();
    },
  };
}
