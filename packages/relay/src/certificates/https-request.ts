import { type Conn, dialSecure, type Env, ipVersion, TunnelError } from '@rozan/tunnel';
import type { Resolver } from '../egress/resolver.ts';
import { AnswerTooLong, exchange, type HttpAnswer } from '../http-exchange.ts';
import { CERTIFICATE_BOUNDS } from '../limits/constants.ts';
import { AcmeError } from './acme-error.ts';

/** Asks a server over HTTPS. Rejects with an `AcmeError` (`unreachable`, `malformed`) or the signal's reason. */
export type HttpsRequest = (
  url: string,
  asked: { readonly method: 'GET' | 'HEAD' | 'POST'; readonly body?: string; readonly signal: AbortSignal },
) => Promise<HttpAnswer>;

/** What `createHttpsRequest` needs. */
export interface HttpsOptions {
  readonly resolver: Resolver;
  /** Authorities that may vouch for the server, in PEM, beside the usual ones. */
  readonly roots?: string | undefined;
}

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
      const headers = asked.body === undefined ? {} : { 'content-type': 'application/jose+json' };
      return await exchange(conn, parsed, { ...asked, headers, signal, maxBytes: CERTIFICATE_BOUNDS.answerBytes });
    } catch (cause) {
      if (asked.signal.aborted) throw asked.signal.reason;
      if (cause instanceof AcmeError) throw cause;
      if (cause instanceof AnswerTooLong) throw new AcmeError('malformed', 'the answer of the authority is too long');
      // The cause is left out: it may name an address.
      const code = cause instanceof TunnelError ? `: ${cause.code}` : '';
      throw new AcmeError('unreachable', `the authority cannot be reached${code}`);
    } finally {
      cancel();
    }
  };
}
