import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type Conn, StreamResetError, type TunnelStream } from '@rozan/tunnel';
import { closeConn, joinConn, resetConn } from './conn-ends.ts';
import { type HandedOver, refuseHandedOver } from './http-connect.ts';
import { responseHead } from './http-failure.ts';
import { codeOfClientError, type ForwardContext, failureOf, readForm, upstreamFields } from './http-forward.ts';
import { endToEndFields } from './http-headers.ts';
import { watchStream } from './http-upstreams.ts';
import { MAX_HTTP_HEAD_BYTES } from './limits.ts';

/** Whether `request` wants to go on as a WebSocket. Every other upgrade is left out of what the site gets, which HTTP allows. */
export function isWebSocketUpgrade(request: IncomingMessage): boolean {
  return request.method === 'GET' && request.headers.upgrade?.toLowerCase() === 'websocket';
}

/** Forwards a request for a WebSocket in absolute form; what follows a 101 answer is passed through both ways. */
export function forwardUpgrade(context: ForwardContext, handedOver: HandedOver): void {
  const { request, conn, rest } = handedOver;
  const form = readForm(context, request);
  if (typeof form === 'string') {
    refuseHandedOver(context, handedOver, form);
    return;
  }
  const gone = new AbortController();
  const onClose = () => gone.abort();
  conn.once('close', onClose);
  const { host, port } = form.target;
  const headers = [...upstreamFields(request, form), 'Connection', 'Upgrade', 'Upgrade', 'websocket'];
  const options = { host, port, path: form.path, headers, agent: context.upstreams.single, signal: gone.signal };
  const upstream = httpRequest({ ...options, maxHeaderSize: MAX_HTTP_HEAD_BYTES });
  watchStream(upstream);
  upstream.on('upgrade', (answer, stream, head) => {
    conn.off('close', onClose);
    conn.write(responseHead(101, answer.rawHeaders, answer.statusMessage));
    if (rest.length > 0) conn.unshift(rest);
    if (head.length > 0) stream.unshift(head);
    joinConn(conn, asTunnelStream(stream), (code) => context.noteFailure('http', code, true));
  });
  let isAnswered = false;
  upstream.on('response', (answer) => {
    isAnswered = true;
    forwardRefusal(context, conn, answer);
  });
  upstream.on('error', (error) => {
    if (gone.signal.aborted || isAnswered) return;
    context.noteFailure('http', codeOfClientError(error), false);
    refuseHandedOver(context, handedOver, failureOf(error));
  });
  upstream.end();
}

/** Node's client types what it hands back as a socket; it is the stream that the upstreams opened. */
function asTunnelStream(stream: Duplex): TunnelStream {
  return stream as TunnelStream;
}

/** The site did not upgrade: its ordinary answer goes back and the connection ends with it. */
function forwardRefusal(context: ForwardContext, conn: Conn, answer: IncomingMessage): void {
  const stream = answer.socket;
  const breakOff = (error: Error) => {
    if (conn.destroyed || conn.writableEnded) return;
    context.noteFailure('http', codeOfClientError(stream.errored ?? error), true);
    resetConn(conn);
  };
  const fields = [...endToEndFields(answer.rawHeaders), 'Connection', 'close'];
  conn.write(responseHead(answer.statusCode ?? 502, fields, answer.statusMessage));
  answer.once('error', breakOff);
  answer.once('end', () => {
    if (!answer.complete || stream.errored) breakOff(new StreamResetError('connection-reset'));
    else closeConn(conn, context.env.clock, Buffer.alloc(0));
  });
  answer.pipe(conn, { end: false });
}
