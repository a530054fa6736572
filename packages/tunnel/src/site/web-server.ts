import { createServer, type IncomingMessage, type Server, type ServerOptions, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Env } from '../env.ts';
import type { Conn } from '../network.ts';
import { hesitate } from './hesitation.ts';
import {
  HEAD_TIMEOUT_MS,
  KEEP_ALIVE_MS,
  MAX_HEAD_BYTES,
  MAX_HESITATION_MS,
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
 * HTTP is answered as Node answers it, after a moment. Who ends his side gets the answers that he has asked for.
 */
export function createWebServer(env: Pick<Env, 'clock' | 'random'>, site: Site, hooks?: UpgradeHooks): WebServer {
  const server = createServer(
    { ...OPTIONS, shouldUpgradeCallback: (request) => hooks?.isWanted(request) ?? false },
    site,
  );
  // An answer that takes a moment would otherwise be lost or not by chance. Not in Node's types.
  Object.assign(server, { httpAllowHalfOpen: true });
  refuseHesitantly(env, server);
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

/** What Node keeps of a connection's answer, behind its types. */
interface Answering {
  readonly _httpMessage?: ServerResponse | null;
}

/** The answers of Node to what it cannot read, by the code of its error. */
const REFUSALS: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', '431 Request Header Fields Too Large'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', '413 Payload Too Large'],
  ['ERR_HTTP_REQUEST_TIMEOUT', '408 Request Timeout'],
]);

/** What is not HTTP is refused as Node does it, a moment later; and later than a site has begun to answer what came before it. */
function refuseHesitantly(env: Pick<Env, 'clock' | 'random'>, server: Server): void {
  const refused = new WeakSet<Duplex>();
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex & Answering) => {
    if (refused.has(socket)) return;
    refused.add(socket);
    // Node would answer an end with an end before the refusal is said.
    socket.removeAllListeners('end');
    hesitate(
      env,
      () => {
        const hasBegun = socket._httpMessage?.headersSent ?? false;
        const status = REFUSALS.get(error.code ?? '') ?? '400 Bad Request';
        if (socket.writable && !hasBegun) socket.write(`HTTP/1.1 ${status}\r\nConnection: close\r\n\r\n`);
        socket.destroy();
      },
      MAX_HESITATION_MS,
    );
  });
}
