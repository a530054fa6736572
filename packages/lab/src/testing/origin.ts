import { createServer, type RequestListener } from 'node:http';
import { type Conn, createEnv } from '@rozan/tunnel';

/** Something for relays to connect to, at a free port of a loopback address. Disposing resets what is open. */
export interface Origin extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly accepted: number;
}

/** Starts an origin that hands its connections to `onConn`. They have error listeners. */
export async function startOrigin(onConn: (conn: Conn) => void, host = '127.0.0.1'): Promise<Origin> {
  const { network } = createEnv({ log: () => {} });
  const conns = new Set<Conn>();
  let accepted = 0;
  const listener = await network.listen({ host, port: 0 }, (conn) => {
    accepted += 1;
    conns.add(conn);
    conn.on('error', () => conn.destroy());
    conn.once('close', () => conns.delete(conn));
    onConn(conn);
  });
  return {
    port: listener.address.port,
    get accepted() {
      return accepted;
    },
    [Symbol.asyncDispose]: async () => {
      await listener.close();
      for (const conn of conns) conn.destroy();
    },
  };
}

/** Starts a web site. */
export function startSite(answer: RequestListener): Promise<Origin> {
  const server = createServer(answer);
  return startOrigin((conn) => server.emit('connection', conn));
}
