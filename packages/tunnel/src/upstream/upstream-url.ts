import { parseHostPort } from '@rozan/protocol';
import { TunnelError } from '../errors.ts';
import { MAX_PROXY_CREDENTIAL_BYTES, MAX_PROXY_URL_CHARS } from '../limits.ts';
import type { Credentials } from './proxy-talk.ts';

/** A proxy that stands between this machine and the rest of the world. */
export interface UpstreamProxy {
  readonly kind: 'http' | 'socks5';
  /** A literal address, or a name that the system resolves. */
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials | null;
}

const KINDS: ReadonlyMap<string, UpstreamProxy['kind']> = new Map([
  ['http', 'http'],
  ['socks5', 'socks5'],
  ['socks5h', 'socks5'],
  ['socks', 'socks5'],
]);

const DEFAULT_PORTS = { http: 80, socks5: 1080 } as const;

const URL_TEXT = /^([a-z][a-z0-9]*):\/\/(?:([^/@]*)@)?([^/@]+)\/?$/i;

/**
 * Reads `http://[user:password@]host[:port]` or `socks5://…`. Names and passwords are percent-decoded. Throws a `TunnelError`
 * (`bad-params`) that repeats nothing of the text, which may hold a password.
 */
export function parseUpstreamProxy(text: string): UpstreamProxy {
  if (text.length > MAX_PROXY_URL_CHARS) throw badUrl();
  const [, scheme = '', login, place = ''] = URL_TEXT.exec(text) ?? [];
  const kind = KINDS.get(scheme.toLowerCase());
  if (kind === undefined) throw badUrl();
  const { host, port } = parsePlace(place, DEFAULT_PORTS[kind]);
  return { kind, host, port, credentials: login === undefined || login === '' ? null : parseLogin(login) };
}

function parsePlace(place: string, defaultPort: number): { host: string; port: number } {
  const hasPort = /:[0-9]+$/.test(place) && (!place.startsWith('[') || /\]:[0-9]+$/.test(place));
  try {
    return parseHostPort(hasPort ? place : `${place}:${defaultPort}`);
  } catch {
    throw badUrl();
  }
}

function parseLogin(login: string): Credentials {
  const colon = login.indexOf(':');
  const user = decode(colon < 0 ? login : login.slice(0, colon));
  const password = colon < 0 ? '' : decode(login.slice(colon + 1));
  const tooLong = [user, password].some((part) => Buffer.byteLength(part) > MAX_PROXY_CREDENTIAL_BYTES);
  // Basic credentials are split at the first colon (RFC 7617 §2).
  if (tooLong || user === '' || user.includes(':')) throw badUrl();
  return { user, password };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw badUrl();
  }
}

function badUrl(): TunnelError {
  const message = 'an upstream proxy reads like http://host:port or socks5://user:password@host:port';
  return new TunnelError('bad-params', message);
}
