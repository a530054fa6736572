import { type IncomingMessage, request } from 'node:http';
import { type Conn, dialSecure, type Env, ipVersion, TunnelError } from '@rozan/tunnel';
import type { Resolver } from '../egress/resolver.ts';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';
import { AcmeError } from './acme-error.ts';

/** An answer to a request. */
export interface HttpsAnswer {
  readonly status: number;
  /** Names in small letters; what came several times is joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Asks a server over HTTPS. Rejects with an `AcmeError` (`unreachable`, `malformed`) or the signal's reason. */
export type HttpsRequest = (
  url: string,
  asked: { readonly method: 'GET' | 'HEAD' | 'POST'; readonly body?: string; readonly signal: AbortSignal },
) => Promise<HttpsAnswer>;

/** What `createHttpsRequest` needs. */
export interface HttpsOptions {
  readonly resolver: Resolver;
  /** Authorities that may vouch for the server, in PEM, beside the usual ones. */
  readonly roots?: string | undefined;
}

const AGENT = 'rozan-relay';

/** Requests over the environment's network, each over a connection of its own. */
export function createHttpsRequest(env: Env, { resolver, roots }: HttpsOptions): HttpsRequest {
  const connect = async ({ hostname, port }: URL, signal: AbortSignal): Promise<Conn> => {
    const host = hostname.replace(/^\[|\]$/g, '');
    const isLiteral = ipVersion(host) !== 0;
    const addresses = isLiteral ? [host] : await resolver.resolve(host);
    let failure: unknown = null;
    for (const address of addresses.slice(0, CERTIFICATE_BOUNDS.addresses)) {
      const name = { sni: isLiteral ? undefined : host, certificateName: host };
      const options = { ...name, roots, alpn: ['http/1.1'], signal };
      const conn = await dialSecure(env, { host: address, port: Number(port || 443) }, options).catch(
        (error: unknown) => {
          failure = error;
          return null;
        },
      );
      if (conn !== null) return conn;
    }
    throw failure;
  };
  return async (url, asked) => {
    const patience = new AbortController();
    const cancel = env.clock.setTimer(CERTIFICATE_BOUNDS.requestMs, () =>
      patience.abort(new TunnelError('timed-out', 'no answer')),
    );
    const signal = AbortSignal.any([asked.signal, patience.signal]);
    try {
      const parsed = new URL(url);
      if (parsed.protocol !== 'https:') throw new AcmeError('malformed', 'the authority names a URL that is not HTTPS');
      const conn = await connect(parsed, signal);
      return await ask(conn, parsed, { ...asked, signal });
    } catch (cause) {
      if (asked.signal.aborted) throw asked.signal.reason;
      if (cause instanceof AcmeError) throw cause;
      // The cause is left out: it may name an address.
      const code = cause instanceof TunnelError ? `: ${cause.code}` : '';
      throw new AcmeError('unreachable', `the authority cannot be reached${code}`);
    } finally {
      cancel();
    }
  };
}

function ask(
  conn: Conn,
  url: URL,
  { method, body, signal }: { readonly method: string; readonly body?: string; readonly signal: AbortSignal },
): Promise<HttpsAnswer> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown) => {
      conn.destroy();
      reject(error);
    };
    const headers = {
      host: url.host,
      'user-agent': AGENT,
      connection: 'close',
      ...(body === undefined
        ? {}
        : { 'content-type': 'application/jose+json', 'content-length': Buffer.byteLength(body) }),
    };
    const path = `${url.pathname}${url.search}`;
    const asking = request({ method, path, headers, setHost: false, signal, createConnection: () => conn });
    asking.on('error', fail).on('response', (response) => {
      readBody(response)
        .then((read) => resolve({ status: response.statusCode ?? 0, headers: joined(response), body: read }), fail)
        .finally(() => conn.destroy());
    });
    asking.end(body);
  });
}

async function readBody(response: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of response) {
    bytes += piece.length;
    if (bytes > CERTIFICATE_BOUNDS.answerBytes)
      throw new AcmeError('malformed', 'the answer of the authority is too long');
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

function joined({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(',') : (value ?? '')]),
  );
}
