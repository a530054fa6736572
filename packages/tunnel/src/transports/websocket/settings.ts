import { createHash } from 'node:crypto';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { parseSiteSource, SITE_OPTION, type SiteSource, siteSourceOf } from '../../site/site.ts';
import type { CertificateOrder } from '../../tls/certificates.ts';
import { isPin } from '../../tls/pin.ts';
import {
  checkTlsOptions,
  chooseTls,
  clientTlsOf,
  type ListenerTls,
  orderOf,
  parseListenerTls,
  TLS_CHECKS,
  TLS_OPTIONS,
} from './listener-tls.ts';
import { isAlpn, isAuthority, isHostName, isPath, parseWebSocketParams, type WebSocketParams } from './params.ts';

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
  ...TLS_OPTIONS,
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
  ...TLS_CHECKS,
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
  checkTlsOptions(options);
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

/** What clients must know of a listener. */
export function paramsOfWebSocket({ params }: WebSocketSettings): WebSocketParams {
  return params;
}

/** What the listener wants of an authority. */
export function orderOfWebSocket({ tls }: WebSocketSettings): CertificateOrder | null {
  return orderOf(tls);
}
