import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Conn, Env, Listener, SocketAddress } from '@rozan/tunnel';
import { LOCAL_BOUNDS } from '../limits/constants.ts';

/** What has metrics to show. */
export interface MetricsSource {
  readonly contentType: string;
  text(): Promise<string>;
}

/** What `serveMetrics` needs. */
export interface MetricsServerOptions {
  /** On loopback. Port 0 picks a free one. */
  readonly address: SocketAddress;
  readonly metrics: MetricsSource;
}

const MAX_HEADER_BYTES = 4_096;

/** A name by which a program of this machine reaches it. Any other is a web page's that had its own name rebound to this machine. */
const LOOPBACK_HOST = /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?$/i;

/** The status of a refusal, or null if the request is one for the metrics. */
function refusalOf({ method, url, headers }: IncomingMessage): number | null {
  if (!LOOPBACK_HOST.test(headers.host ?? '')) return 403;
  if (url !== '/metrics') return 404;
  return method === 'GET' ? null : 405;
}

async function answer(request: IncomingMessage, response: ServerResponse, metrics: MetricsSource): Promise<void> {
  response.setHeader('connection', 'close');
  const refusal = refusalOf(request);
  if (refusal !== null) {
    response.writeHead(refusal).end();
    return;
  }
  const text = await metrics.text();
  response.writeHead(200, { 'content-type': metrics.contentType, 'cache-control': 'no-store' }).end(text);
}

/** Serves `GET /metrics` over HTTP: one request for each connection, which is soon over. Rejects with a `TunnelError` if it cannot listen. */
export async function serveMetrics(
  env: Pick<Env, 'network' | 'clock' | 'log'>,
  { address, metrics }: MetricsServerOptions,
): Promise<Listener> {
  const conns = new Set<Conn>();
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES }, (request, response) => {
    answer(request, response, metrics).catch(() => {
      env.log({ event: 'metrics.failed' });
      response.destroy();
    });
  });
  server.on('clientError', (_error, conn) => conn.destroy());
  const onConn = (conn: Conn): void => {
    conn.on('error', () => conn.destroy());
    if (conns.size >= LOCAL_BOUNDS.metricsConns) {
      conn.destroy();
      return;
    }
    conns.add(conn);
    const cancelTimer = env.clock.setTimer(LOCAL_BOUNDS.metricsIdleMs, () => conn.destroy());
    conn.once('close', () => {
      cancelTimer();
      conns.delete(conn);
    });
    server.emit('connection', conn);
  };
  const listener = await env.network.listen(address, onConn);
  return {
    address: listener.address,
    close: async () => {
      await listener.close();
      server.close();
      for (const conn of conns) conn.destroy();
    },
  };
}
