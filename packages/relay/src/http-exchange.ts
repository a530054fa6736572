import { type IncomingMessage, request } from 'node:http';
import type { Conn } from '@rozan/tunnel';

/** An answer to a request. */
export interface HttpAnswer {
  readonly status: number;
  /** Names in small letters; what came several times is joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** What is asked. */
export interface HttpAsked {
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
  readonly signal: AbortSignal;
  /** Of the answer's body. */
  readonly maxBytes: number;
}

/** The answer has more bytes than it may. */
export class AnswerTooLong extends Error {}

/** One request over a connection, which is closed behind it. Rejects with an `AnswerTooLong`, the connection's error or the signal's reason. */
export function exchange(conn: Conn, url: URL, asked: HttpAsked): Promise<HttpAnswer> {
  const { method, body, signal, maxBytes } = asked;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      conn.destroy();
      reject(error);
    };
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const headers = { host: url.host, 'user-agent': 'rozan-relay', connection: 'close', ...asked.headers, ...length };
    const path = `${url.pathname}${url.search}`;
    const asking = request({ method, path, headers, setHost: false, signal, createConnection: () => conn });
    asking.on('error', fail).on('response', (response) => {
      readBody(response, maxBytes)
        .then((read) => resolve({ status: response.statusCode ?? 0, headers: joined(response), body: read }), fail)
        .finally(() => conn.destroy());
    });
    asking.end(body);
  });
}

async function readBody(response: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    bytes += piece.length;
    if (bytes > maxBytes) throw new AnswerTooLong('the answer is too long');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function joined({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]),
  );
}
