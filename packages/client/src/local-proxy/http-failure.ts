import { STATUS_CODES } from 'node:http';
import type { ResetCode } from '@rozan/protocol';
import type { TargetProblem } from './http-target.ts';

/** Why a request got no answer from a site: what a stream was reset with, or what was wrong before there was one. */
export type HttpFailure =
  | Exclude<ResetCode, 'cancelled'>
  | TargetProblem
  | 'bad-request'
  | 'bad-answer'
  | 'unsupported-coding'
  | 'head-too-large';

interface Answer {
  readonly status: number;
  /** One line for a person. It never names the host: the line may end up in logs. */
  readonly text: string;
}

const ANSWERS: Readonly<Record<HttpFailure, Answer>> = {
  refused: { status: 502, text: 'The site refused the connection.' },
  unreachable: { status: 502, text: 'The site cannot be reached from the network at the far end of the tunnel.' },
  'timed-out': { status: 504, text: 'The site did not answer in time.' },
  'name-not-found': { status: 502, text: 'There is no site of this name.' },
  forbidden: { status: 403, text: 'This address may not be reached through Rozan: only public ones can.' },
  busy: { status: 503, text: 'The relay is busy. Please try again in a moment.' },
  'connection-reset': { status: 502, text: 'The site broke off the connection.' },
  'session-lost': { status: 503, text: 'Rozan is not connected at the moment. It keeps trying.' },
  'relay-shutdown': { status: 503, text: 'The relay is being restarted. Please try again in a moment.' },
  internal: { status: 502, text: 'The connection failed.' },
  'not-a-proxy-request': {
    status: 400,
    text: 'This is the Rozan proxy. It is not a web site: enter its address as the HTTP proxy of your browser or program.',
  },
  'unsupported-scheme': {
    status: 400,
    text: 'Rozan forwards http:// requests itself; everything else has to use CONNECT.',
  },
  'bad-target': { status: 400, text: 'The address is not one of a host and a port.' },
  'bad-request': {
    status: 400,
    text: 'This is the Rozan HTTP proxy, and the program did not speak HTTP that can be understood.',
  },
  'bad-answer': { status: 502, text: 'The site answered with something that is not HTTP.' },
  'unsupported-coding': { status: 501, text: 'The request has a body in a transfer coding that is not supported.' },
  'head-too-large': { status: 431, text: 'The header fields of the request are too large.' },
};

/** An answer of the proxy itself. */
export interface FailureResponse {
  readonly status: number;
  /** Names and values in turn. */
  readonly fields: readonly string[];
  readonly body: Buffer;
}

function page(answer: Answer, failure: HttpFailure): string {
  const title = failure === 'not-a-proxy-request' ? 'Rozan proxy' : 'This page could not be loaded';
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${title}</title>
<style>body{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>${title}</h1>
<p>${answer.text}</p>
<p><small>Rozan: ${failure}</small></p>
</html>
`;
}

/** What the application is told: one plain line, or a small page where its `Accept` field says that a browser would show it. */
export function failureResponse(failure: HttpFailure, accept: string | undefined): FailureResponse {
  const answer = ANSWERS[failure];
  const wantsHtml = /\btext\/html\b/i.test(accept ?? '');
  const body = Buffer.from(wantsHtml ? page(answer, failure) : `${answer.text}\n`);
  const fields = [
    ['Content-Type', `text/${wantsHtml ? 'html' : 'plain'}; charset=utf-8`],
    ['Content-Length', String(body.length)],
    ['Cache-Control', 'no-store'],
    ['Content-Security-Policy', "default-src 'none'; style-src 'unsafe-inline'"],
    ['Rozan-Reason', failure],
  ].flat();
  return { status: answer.status, fields, body };
}

/** The failure that a reset code stands for. */
export function failureOfCode(code: ResetCode): HttpFailure {
  return code === 'cancelled' ? 'internal' : code;
}

/** The head of a response as bytes, for connections that Node's server no longer looks after. `fields`: names and values in turn. */
export function responseHead(status: number, fields: readonly string[], reason = STATUS_CODES[status] ?? ''): Buffer {
  const lines = [`HTTP/1.1 ${status} ${reason}`];
  for (let index = 0; index + 1 < fields.length; index += 2) lines.push(`${fields[index]}: ${fields[index + 1]}`);
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
}

/** A whole answer of the proxy itself as bytes; the connection closes behind it. */
export function failureBytes(failure: HttpFailure, accept: string | undefined): Buffer {
  const { status, fields, body } = failureResponse(failure, accept);
  return Buffer.concat([responseHead(status, [...fields, 'Connection', 'close']), body]);
}
