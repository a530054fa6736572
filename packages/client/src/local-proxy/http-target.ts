import { formatHostPort } from '@rozan/protocol';
import type { Target } from '@rozan/tunnel';
import { parseTarget } from './target-host.ts';

const HTTP_PORT = 80;

/** A request whose target is a whole URL (RFC 9112 §3.2.2). */
export interface AbsoluteForm {
  readonly target: Target;
  /** What the site itself is asked for: path and query, as they were written. */
  readonly path: string;
  /** The site's name as its `Host` field has to say it. */
  readonly hostField: string;
}

/** Why a request target leads nowhere. */
export type TargetProblem = 'not-a-proxy-request' | 'unsupported-scheme' | 'bad-target';

/** Node gives the request target one character per byte; names of hosts in it may be UTF-8. */
function decodeUtf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}

/**
 * Parses `host:port`; without `defaultPort` the port must be there (RFC 9110 §9.3.6). User information is not accepted: it
 * would belong to the site, and only serves to make one host look like another.
 */
export function parseAuthority(text: string, defaultPort?: number): Target | undefined {
  const match = /^(\[[0-9A-Fa-f:.]+\]|[^:[\]@]+)(?::(\d{0,5}))?$/.exec(text);
  const [, host, digits = ''] = match ?? [];
  const port = digits === '' ? defaultPort : Number(digits);
  return host === undefined || port === undefined ? undefined : parseTarget(decodeUtf8(host), port);
}

/** Parses the target of a request that is not a CONNECT. Nothing else than `http://` can be forwarded: the rest needs CONNECT. */
export function parseAbsoluteForm(requestTarget: string, method: string): AbsoluteForm | TargetProblem {
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^#]*)/.exec(requestTarget);
  if (!match) return 'not-a-proxy-request';
  const [, scheme = '', authority = '', rest = ''] = match;
  if (scheme.toLowerCase() !== 'http') return 'unsupported-scheme';
  const target = parseAuthority(authority, HTTP_PORT);
  if (!target) return 'bad-target';
  const bareHost = formatHostPort(target).slice(0, -`:${target.port}`.length);
  const hostField = target.port === HTTP_PORT ? bareHost : formatHostPort(target);
  // OPTIONS for the site as a whole has no path of its own (RFC 9112 §3.2.4).
  if (rest === '') return { target, hostField, path: method === 'OPTIONS' ? '*' : '/' };
  return { target, hostField, path: rest.startsWith('/') ? rest : `/${rest}` };
}
