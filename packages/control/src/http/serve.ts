import { createServer as createTlsServer } from 'node:tls';
import type { Conn, Env, Listener, SocketAddress } from '@rozan/tunnel';
import { HTTP_BOUNDS } from '../limits.ts';
import type { Http } from './server.ts';

/** A certificate with its chain, and its private key; PEM. */
export interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/** Listens, and hands connections to an HTTP server. Rejects with a `TunnelError` if it cannot listen. */
export async function serveHttp(
  env: Env,
  http: Http,
  options: { readonly address: SocketAddress; readonly tls: TlsFiles | null },
): Promise<Listener> {
  const conns = new Set<Conn>();
  // What is inside of TLS goes to the same server as what comes without.
  const tls = options.tls === null ? null : createTlsServer(options.tls);
  tls?.on('secureConnection', (conn) => http.server.emit('connection', conn));
  tls?.on('tlsClientError', (_error, conn) => conn.destroy());
  http.server.on('clientError', (_error, conn) => conn.destroy());
  const onConn = (conn: Conn): void => {
    conn.on('error', () => conn.destroy());
    if (conns.size >= HTTP_BOUNDS.connections) {
      conn.destroy();
      return;
    }
    conns.add(conn);
    conn.once('close', () => conns.delete(conn));
    (tls ?? http.server).emit('connection', conn);
  };
  const listener = await env.network.listen(options.address, onConn);
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      http.server.closeIdleConnections();
      await http.app.close();
      for (const conn of conns) conn.destroy();
    },
  };
}
