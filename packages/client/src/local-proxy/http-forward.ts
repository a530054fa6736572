import { type ClientRequest, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import type { ResetCode } from '@rozan/protocol';
import { StreamResetError } from '@rozan/tunnel';
import { resetConn } from './conn-ends.ts';
import { failureOfCode, failureResponse, type HttpFailure } from './http-failure.ts';
import { type BodyFraming, bodyFraming, endToEndFields, fieldPairs, withoutField } from './http-headers.ts';
import { type AbsoluteForm, parseAbsoluteForm, type TargetProblem } from './http-target.ts';
import { type Upstreams, watchStream } from './http-upstreams.ts';
import { MAX_HTTP_HEAD_BYTES } from './limits.ts';
import { type ProxyContext, resetCodeOfError } from './proxy-context.ts';
import { isOwnAddress } from './target-host.ts';

/** Methods that may be asked for twice without harm (RFC 9110 §9.2.2), and so may use a kept stream that can turn out to be dead. */
const REPEATABLE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** What the forwarding of requests works with. */
export interface ForwardContext extends ProxyContext {
  readonly upstreams: Upstreams;
}

/** One request of an application on its way. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly form: AbsoluteForm;
  readonly framing: BodyFraming;
  /** Fires when the application has gone. */
  readonly signal: AbortSignal;
}

/** Where `request` is to go. */
export function readForm(context: ProxyContext, request: IncomingMessage): AbsoluteForm | TargetProblem {
  const form = parseAbsoluteForm(request.url ?? '', request.method ?? '');
  if (typeof form === 'string') return form;
  // A browser that has this proxy set and opens the proxy's own address.
  return isOwnAddress(form.target, context.ownAddresses) ? 'not-a-proxy-request' : form;
}

/** Answers a request by the proxy itself. The body of the request, if there is one, is read and thrown away. */
export function refuseRequest(request: IncomingMessage, response: ServerResponse, failure: HttpFailure): void {
  if (response.headersSent || response.destroyed) return;
  const { status, fields, body } = failureResponse(failure, request.headers.accept);
  // An application that waits for "100 Continue" may go on with its body or with its next request: nobody can tell which.
  if (request.headers.expect !== undefined && !request.complete) response.shouldKeepAlive = false;
  response.sendDate = false;
  response.writeHead(status, [...fields]);
  response.end(body);
  request.resume();
}

/** Forwards a request in absolute form (RFC 9112 §3.2.2) to its site and the answer back. */
export function forwardRequest(context: ForwardContext, request: IncomingMessage, response: ServerResponse): void {
  const form = readForm(context, request);
  const framing = bodyFraming(request);
  if (typeof form === 'string' || framing === 'unsupported') {
    refuseRequest(request, response, typeof form === 'string' ? form : 'unsupported-coding');
    return;
  }
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  // A broken-off request ends in the close of its response; there is nothing more to do.
  request.on('error', () => {});
  const exchange = { request, response, form, framing, signal: gone.signal };
  const isRepeatable = framing === 'none' && REPEATABLE.has(request.method ?? '');
  startExchange(context, exchange, isRepeatable);
}

/** The head that the site gets, names and values in turn. */
export function upstreamFields(request: IncomingMessage, form: AbsoluteForm): string[] {
  return ['Host', form.hostField, ...withoutField(endToEndFields(request.rawHeaders), 'host')];
}

function startExchange(context: ForwardContext, exchange: Exchange, isRepeatable: boolean): void {
  const { request, response, form, framing, signal } = exchange;
  const { host, port } = form.target;
  const fields = upstreamFields(request, form);
  if (framing === 'chunked') fields.push('Transfer-Encoding', 'chunked');
  if (framing === 'none' && !REPEATABLE.has(request.method ?? '')) fields.push('Content-Length', '0');
  const agent = isRepeatable ? context.upstreams.shared : context.upstreams.single;
  const options = { host, port, method: request.method ?? 'GET', path: form.path, headers: fields, agent, signal };
  let upstream: ClientRequest;
  try {
    upstream = httpRequest({ ...options, maxHeaderSize: MAX_HTTP_HEAD_BYTES });
  } catch {
    refuseRequest(request, response, 'bad-request');
    return;
  }
  watchStream(upstream);
  upstream.on('continue', () => {
    if (!response.headersSent) response.writeContinue();
  });
  upstream.on('response', (answer) => forwardAnswer(context, exchange, answer));
  upstream.on('error', (error) => {
    if (signal.aborted) return;
    if (response.headersSent) {
      breakOff(context, exchange, error);
    } else if (isRepeatable && upstream.reusedSocket) {
      startExchange(context, exchange, false);
    } else {
      context.noteFailure('http', codeOfClientError(error), false);
      refuseRequest(request, response, failureOf(error));
    }
  });
  sendBody(exchange, upstream);
}

function sendBody(exchange: Exchange, upstream: ClientRequest): void {
  const { request, framing } = exchange;
  if (framing === 'none') {
    upstream.end();
    return;
  }
  upstream.flushHeaders();
  request.once('end', () => {
    if (framing === 'chunked' && request.rawTrailers.length > 0) upstream.addTrailers(fieldPairs(request.rawTrailers));
    upstream.end();
  });
  request.pipe(upstream, { end: false });
  // When the site has heard enough, what still comes is thrown away, so that the application gets to read the answer.
  upstream.once('close', () => {
    request.unpipe(upstream);
    request.resume();
  });
}

function forwardAnswer(context: ForwardContext, exchange: Exchange, answer: IncomingMessage): void {
  const { request, response } = exchange;
  const stream = answer.socket;
  if (request.headers.expect !== undefined && !request.complete) response.shouldKeepAlive = false;
  response.sendDate = false;
  try {
    response.writeHead(answer.statusCode ?? 502, answer.statusMessage ?? '', endToEndFields(answer.rawHeaders));
  } catch {
    answer.destroy();
    refuseRequest(request, response, 'bad-answer');
    return;
  }
  response.flushHeaders();
  answer.once('error', (error) => breakOff(context, exchange, stream.errored ?? error));
  answer.once('end', () => {
    // An answer without a length ends with its stream, and only a clean end means that it is whole.
    if (!answer.complete || stream.errored) {
      breakOff(context, exchange, stream.errored ?? new StreamResetError('connection-reset'));
      return;
    }
    if (answer.rawTrailers.length > 0) response.addTrailers(fieldPairs(answer.rawTrailers));
    response.end();
  });
  answer.pipe(response, { end: false });
}

/** The answer has begun and cannot be finished: the application must not take it for whole. */
function breakOff(context: ForwardContext, exchange: Exchange, error: Error): void {
  const { request, response, signal } = exchange;
  if (signal.aborted || response.writableEnded || request.socket.destroyed) return;
  context.noteFailure('http', codeOfClientError(error), true);
  resetConn(request.socket);
}

/** The reset code for an error of Node's HTTP client or of the stream under it. */
export function codeOfClientError(error: Error): ResetCode {
  return 'code' in error && error.code === 'ECONNRESET' ? 'connection-reset' : resetCodeOfError(error);
}

/** What a person is told about such an error. */
export function failureOf(error: Error): HttpFailure {
  const isParserError = 'code' in error && String(error.code).startsWith('HPE_');
  return isParserError ? 'bad-answer' : failureOfCode(codeOfClientError(error));
}
