import { type Conn, dialSecure, type Env, ipVersion, TunnelError } from '@rozan/tunnel';
import { RelayError } from '../data-folder/relay-error.ts';
import { exchange } from '../http-exchange.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';

/** Where a control plane is. */
export interface ControlPlacement {
  /** `https:`, or `http:` on this machine. */
  readonly url: string;
  /** Authorities that may vouch for it beside the usual ones, PEM; null for none. */
  readonly roots: string | null;
}

/** A request to it. */
export interface ControlRequest {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: unknown;
  /** By which the relay is known; null before it has one. */
  readonly credential: string | null;
  readonly signal: AbortSignal;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (ipVersion(host) === 4 && host.startsWith('127.'));
}

/** The base URL of a control plane. Throws a `RelayError` (`control-plane`) for one over which secrets would pass in the clear. */
export function controlUrl(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`);
  const isClean = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === '';
  if (url === null || !isClean || !/^https?:$/.test(url.protocol)) {
    throw new RelayError('control-plane', 'the control plane is not a URL such as https://control.example.org');
  }
  if (url.protocol === 'http:' && !isLoopback(hostOf(url))) {
    throw new RelayError('control-plane', 'over http: whoever is in between could read this relay’s secrets', {
      remedy: 'Use https:, or a tunnel of your own to the control plane, and its end on this machine.',
    });
  }
  return url;
}

function hostOf({ hostname }: URL): string {
  return hostname.replace(/^\[|\]$/g, '');
}

async function connect(
  env: Env,
  url: URL,
  { roots, signal }: { roots: string | null; signal: AbortSignal },
): Promise<Conn> {
  const host = hostOf(url);
  const isSecure = url.protocol === 'https:';
  const address = { host, port: Number(url.port || (isSecure ? 443 : 80)) };
  if (!isSecure) return await env.network.dial(address, { signal });
  const sni = ipVersion(host) === 0 ? host : undefined;
  return await dialSecure(env, address, {
    sni,
    certificateName: host,
    roots: roots ?? undefined,
    alpn: ['http/1.1'],
    signal,
  });
}

/**
 * Asks the control plane; gives the JSON of its reply. Rejects with a `RelayError`: `control-unreachable` where nobody answers or the answer is of no use,
 * `control-refused` where it says no. Neither says where it is.
 */
export async function askControlPlane(env: Env, placement: ControlPlacement, asked: ControlRequest): Promise<unknown> {
  const { method, path, body, credential } = asked;
  const patience = new AbortController();
  const cancel = env.clock.setTimer(ENROLMENT_BOUNDS.requestMs, () =>
    patience.abort(new TunnelError('timed-out', 'no answer')),
  );
  const signal = AbortSignal.any([asked.signal, patience.signal]);
  try {
    const url = new URL(path.replace(/^\//, ''), controlUrl(placement.url));
    const conn = await connect(env, url, { roots: placement.roots, signal });
    const { status, body: bytes } = await exchange(conn, url, {
      method,
      headers: {
        ...(credential === null ? {} : { authorization: `Bearer ${credential}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal,
      maxBytes: ENROLMENT_BOUNDS.replyBytes,
    });
    const json: unknown = JSON.parse(bytes.toString('utf8'));
    if (status === 200) return json;
    if (status < 400 || status >= 500 || status === 429) throw new TypeError(`status ${status}`);
    throw new RelayError('control-refused', `the control plane refuses: ${messageOf(json)}`);
  } catch (cause) {
    if (asked.signal.aborted) throw asked.signal.reason;
    if (cause instanceof RelayError) throw cause;
    // The cause is left out: it may name an address.
    const code = cause instanceof TunnelError ? `: ${cause.code}` : '';
    throw new RelayError('control-unreachable', `the control plane does not answer${code}`, {
      remedy: 'See that it runs, that its URL is right, and that its certificate is one that this machine trusts.',
    });
  } finally {
    cancel();
  }
}

function messageOf(json: unknown): string {
  const message = typeof json === 'object' && json !== null && 'message' in json ? json.message : null;
  return typeof message === 'string' && message.length < 200 ? message : 'it does not say why';
}
