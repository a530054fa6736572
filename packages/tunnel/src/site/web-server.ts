import { createServer, type IncomingMessage, type ServerOptions } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Conn } from '../network.ts';
import {
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_HEAD_BYTES,
  MAX_REQUESTS_PER_CONNECTION,
  REQUEST_TIMEOUT_MS,
} from './limits.ts';
import type { Site } from './reply.ts';

/** An HTTP/1.1 server without a port: connections are given to it. */
export interface WebServer {
  /** Takes a connection over. */
  serve(conn: Duplex): void;
  /** Stops its time-keeping; connections stay. */
  close(): void;
}

/** What beside the site a server may do. */
export interface UpgradeHooks {
  /** Whether an upgrade request may be one of ours; any other goes to the site like every request. Must be quick. */
  isWanted(request: IncomingMessage): boolean;
  /** Takes the connection of a wanted request, paused; `head` is what came behind the request. */
  onUpgrade(request: IncomingMessage, conn: Conn, head: Buffer): void;
}

const OPTIONS: ServerOptions = {
  maxHeaderSize: MAX_HEAD_BYTES,
  headersTimeout: HEAD_TIMEOUT_MS,
  requestTimeout: REQUEST_TIMEOUT_MS,
  keepAliveTimeout: KEEP_ALIVE_MS,
};

/**
 * Makes one. Without `hooks`, and for every request that these do not want, it is Node's server with the site and nothing else: what is not
 * HTTP is answered as Node answers it.
 */
export function createWebServer(site: Site, hooks?: UpgradeHooks): WebServer {
  const server = createServer(
    { ...OPTIONS, shouldUpgradeCallback: (request) => hooks?.isWanted(request) ?? false },
    site,
  );
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  server.on('upgrade', (request, conn, head) => hooks?.onUpgrade(request, conn, head));
  // Node watches over the times of connections from this event on. Nobody listens here: connections come from `serve`.
  server.emit('listening');
  return {
    serve: (conn) => {
      server.emit('connection', conn);
      // Node listens for data, and a connection that was paused by its owner before would stay so.
      conn.resume();
    },
    close: () => {
      server.close(() => {});
    },
  };
}
