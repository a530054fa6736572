import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { parseSiteSource, SITE_OPTION, type SiteSource, siteSourceOf } from '../../site/site.ts';
import { isPin, pinOfPem } from '../../tls/pin.ts';
import { createSelfSigned, type Identity } from '../../tls/self-signed.ts';
import { isAlpn, isAuthority, isHostName, isPath, parseWebSocketParams, type WebSocketParams } from './params.ts';

/** Where the listener's key and certificate are: in the settings, in files of this machine, or nowhere (no TLS here). */
export type ListenerTls =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'stored' } & Identity)
  | { readonly kind: 'files'; readonly key: string; readonly certificate: string };

/** What a listener must know. */
export interface WebSocketSettings {
  readonly params: WebSocketParams;
  readonly tls: ListenerTls;
  readonly site: SiteSource;
  /** The header in which a trusted server in front names its client, in small letters; null: nobody is trusted. */
  readonly forwarded: string | null;
}

/** What an operator may choose. */
export const WEBSOCKET_OPTIONS: Readonly<Record<string, string>> = {
  tls: 'self: a certificate of its own, pinned in entries; none: plain HTTP; front: a server in front ends TLS',
  certificate: 'a PEM file with a certificate that an authority has signed, and its chain; needs key and host',
  key: 'a PEM file with the key of the certificate',
  pin: 'with tls=front: the SHA-256 of the certificate in front, in base64url, if no authority vouches for it',
  host: 'the name of the site, for Host and TLS',
  sni: 'the name that the TLS hello shows, if not host; none for no name',
  path: 'the path that carriers ask for; drawn if not given',
  alpn: 'the protocols offered by TLS, with + between; none for none',
  site: SITE_OPTION,
  forwarded:
    'the header in which the server in front names its client, such as x-forwarded-for; without, none is believed',
};

const KEY_BYTES = 32;

const COOKIE_NAMES = [
  'session',
  'sid',
  'auth_session',
  'app_session',
  'sess',
  'id_session',
  'user_session',
  '_session',
] as const;
const PATH_WORDS = [
  'live',
  'ws',
  'events',
  'updates',
  'notifications',
  'feed',
  'stream',
  'chat',
  'socket',
  'push',
] as const;
const PATH_BYTES = 9;

type Options = Readonly<Record<string, string>>;

/** Makes the settings of a new listener. Rejects with a `TunnelError` (`bad-params`) for options that are none or do not fit together. */
export async function createWebSocketSettings(random: Random, options: Options): Promise<WebSocketSettings> {
  checkOptions(options);
  const { host, alpn = 'http/1.1', forwarded } = options;
  const name = bareName(host);
  const sni = options.sni ?? name;
  const tls = chooseTls(random, options);
  const params = parseWebSocketParams({
    ...clientTlsOf(options, tls),
    sni: sni === 'none' ? undefined : sni,
    name: sni === name ? undefined : name,
    host,
    path: options.path ?? drawPath(random),
    alpn: alpn === 'none' ? [] : alpn.split('+'),
    cookie: pick(random, COOKIE_NAMES),
    key: random.bytes(KEY_BYTES).toString('base64url'),
  });
  const site = siteSourceOf(options.site, (count) => random.bytes(count));
  return { params, tls, site, forwarded: forwarded?.toLowerCase() ?? null };
}

/** Without the port; undefined for an address. */
function bareName(host: string | undefined): string | undefined {
  const bare = host?.replace(/:\d+$/, '');
  return bare !== undefined && isHostName(bare) ? bare : undefined;
}

function pick<Item>(random: Random, items: readonly [Item, ...Item[]]): Item {
  return items[Math.floor(random.fraction() * items.length)] ?? items[0];
}

function drawPath(random: Random): string {
  // Letters and digits: it must not look like a secret more than any id in a path does.
  const id = createHash('sha256').update(random.bytes(KEY_BYTES)).digest().subarray(0, PATH_BYTES);
  return `/${pick(random, PATH_WORDS)}/${id.toString('hex')}`;
}

const CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  tls: (value) => ['self', 'none', 'front'].includes(value),
  pin: isPin,
  host: (value) => isHostName(value) || isAuthority(value),
  sni: isHostName,
  path: isPath,
  alpn: (value) => value.split('+').every(isAlpn),
  forwarded: (value) => /^[A-Za-z0-9-]{1,64}$/.test(value),
};

function checkOptions(options: Options): void {
  for (const [option, value] of Object.entries(options)) {
    const takes = WEBSOCKET_OPTIONS[option];
    if (takes === undefined) throw new TunnelError('bad-params', `websocket has no option named ${option}`);
    if (value === '' || CHECKS[option]?.(value) === false) {
      throw new TunnelError('bad-params', `websocket: ${option} takes ${takes}`);
    }
  }
  const { tls, certificate, key, pin, host } = options;
  if ((certificate === undefined) !== (key === undefined)) {
    throw new TunnelError('bad-params', 'websocket: certificate and key go together');
  }
  if (certificate !== undefined && tls !== undefined) {
    throw new TunnelError('bad-params', 'websocket: with a certificate there is no choice of tls');
  }
  if (pin !== undefined && tls !== 'front') throw new TunnelError('bad-params', 'websocket: pin goes with tls=front');
  const needsName = certificate !== undefined || (tls === 'front' && pin === undefined);
  if (needsName && host === undefined)
    throw new TunnelError('bad-params', 'websocket: say with host what name the certificate bears');
}

function chooseTls(random: Random, { tls, certificate, key, host = 'localhost' }: Options): ListenerTls {
  if (certificate !== undefined && key !== undefined) {
    return { kind: 'files', certificate: resolve(certificate), key: resolve(key) };
  }
  if (tls === 'none' || tls === 'front') return { kind: 'none' };
  return { kind: 'stored', ...createSelfSigned(random, host.replace(/:\d+$/, '')) };
}

function clientTlsOf({ tls, pin }: Options, listener: ListenerTls): Pick<WebSocketParams, 'tls' | 'pin'> {
  if (listener.kind === 'stored') return { tls: 'pin', pin: pinOfPem(listener.certificate) };
  if (listener.kind === 'files' || tls === 'front') return pin === undefined ? { tls: 'ca' } : { tls: 'pin', pin };
  return { tls: 'none' };
}

/** Checks settings that were stored. Throws a `TunnelError` (`bad-params`). */
export function parseWebSocketSettings(input: unknown): WebSocketSettings {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TunnelError('bad-params', 'the settings of this transport are an object');
  }
  const { params, tls, site, forwarded = null }: Readonly<Record<string, unknown>> = { ...input };
  if (forwarded !== null && typeof forwarded !== 'string') {
    throw new TunnelError('bad-params', 'websocket: forwarded is the name of a header');
  }
  return { params: parseWebSocketParams(params), tls: parseListenerTls(tls), site: parseSiteSource(site), forwarded };
}

function parseListenerTls(input: unknown): ListenerTls {
  const { kind, key, certificate }: Readonly<Record<string, unknown>> =
    typeof input === 'object' && input !== null ? { ...input } : {};
  if (kind === 'none') return { kind };
  const hasBoth = typeof key === 'string' && typeof certificate === 'string';
  if ((kind === 'stored' || kind === 'files') && hasBoth) return { kind, key, certificate };
  throw new TunnelError('bad-params', 'websocket: the settings of TLS are none that this version knows');
}

/** What clients must know of a listener. */
export function paramsOfWebSocket({ params }: WebSocketSettings): WebSocketParams {
  return params;
}

/** The listener's key and certificate; null without TLS. Throws a `TunnelError` (`failed`) when their files cannot be read. */
export function identityOf(tls: ListenerTls): Identity | null {
  if (tls.kind === 'none') return null;
  if (tls.kind === 'stored') return tls;
  try {
    return { key: readFileSync(tls.key, 'utf8'), certificate: readFileSync(tls.certificate, 'utf8') };
  } catch (cause) {
    throw new TunnelError('failed', 'the files of certificate and key cannot be read', { cause });
  }
}
