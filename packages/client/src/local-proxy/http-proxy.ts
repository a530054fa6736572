import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Conn } from '@rozan/tunnel';
import { closeConn, resetConn } from './conn-ends.ts';
import { type HandedOver, refuseHandedOver, serveConnect } from './http-connect.ts';
import { failureBytes, type HttpFailure } from './http-failure.ts';
import { type ForwardContext, forwardRequest } from './http-forward.ts';
import { HttpIdle } from './http-idle.ts';
import { forwardUpgrade, isWebSocketUpgrade } from './http-upgrade.ts';
import { createUpstreams } from './http-upstreams.ts';
import { MAX_HTTP_HEAD_BYTES } from './limits.ts';
import type { ProxyContext } from './proxy-context.ts';

/** The HTTP proxy without its listener. */
export interface HttpProxy extends Disposable {
  /** Serves one application. `conn` must have an error listener. */
  serve(conn: Conn): void;
}

/** Node's server, used only to parse: it never listens. */
function createParser(): Server {
  const server = createServer({
    maxHeaderSize: MAX_HTTP_HEAD_BYTES,
    // The site's name comes from the request target, whatever the Host field says or does not say (RFC 9112 §3.2.2).
    requireHostHeader: false,
    keepAliveTimeout: 0,
    shouldUpgradeCallback: isWebSocketUpgrade,
  });
  // Fields beyond a maximum count would be dropped in silence; the size of the head bounds them already.
  server.maxHeadersCount = 0;
  server.timeout = 0;
  return server;
}

function codeOf(error: Error): unknown {
  return 'code' in error ? error.code : undefined;
}

function failureOfParserError(error: Error): HttpFailure {
  return codeOf(error) === 'HPE_HEADER_OVERFLOW' ? 'head-too-large' : 'bad-request';
}

/** Creates the HTTP proxy: CONNECT, requests in absolute form, and WebSockets in absolute form. */
export function createHttpProxy(proxyContext: ProxyContext): HttpProxy {
  const { env } = proxyContext;
  const upstreams = createUpstreams(proxyContext);
  const context: ForwardContext = { ...proxyContext, upstreams };
  const idle = new HttpIdle(env.clock);
  const server = createParser();
  server.on('request', (request, response) => {
    idle.begin(request.socket, response);
    forwardRequest(context, request, response);
  });
  // Left alone, Node says "100 Continue" by itself; here the site has to.
  server.on('checkContinue', (request, response) => {
    idle.begin(request.socket, response);
    forwardRequest(context, request, response);
  });
  const takeOver = (request: IncomingMessage, duplex: Duplex, rest: Buffer): HandedOver | undefined => {
    const conn: Conn = request.socket;
    idle.release(conn);
    // A body in front of what is passed through has no meaning in CONNECT and no use in an upgrade.
    if (duplex === conn) return { request, conn, rest };
    refuseHandedOver(context, { request, conn, rest }, 'bad-request');
    return undefined;
  };
  server.on('connect', (request, duplex, rest) => {
    const handedOver = takeOver(request, duplex, rest);
    if (handedOver) void serveConnect(context, handedOver);
  });
  server.on('upgrade', (request, duplex, rest) => {
    const handedOver = takeOver(request, duplex, rest);
    if (handedOver) forwardUpgrade(context, handedOver);
  });
  server.on('clientError', (error, duplex) => {
    const conn: Conn = duplex;
    idle.release(conn);
    if (codeOf(error) === 'ECONNRESET' || !conn.writable) {
      resetConn(conn);
      return;
    }
    const failure = failureOfParserError(error);
    env.log({ event: 'proxy.refused', proxy: 'http', reason: failure });
    closeConn(conn, env.clock, failureBytes(failure, undefined));
  });
  return {
    serve: (conn) => {
      idle.watch(conn);
      server.emit('connection', conn);
    },
    [Symbol.dispose]: () => upstreams[Symbol.dispose](),
  };
}
