import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { parseSiteSource, SITE_OPTION, type SiteSource, siteSourceOf } from '../../site/site.ts';
import { pinOfPem } from '../../tls/pin.ts';
import { createSelfSigned, type Identity } from '../../tls/self-signed.ts';
import { REQUEST_AGENTS } from './http/request.ts';
import { MAX_DELAY_MS } from './limits.ts';
import { MARK_KEY_BYTES } from './mark.ts';
import {
  type BareParams,
  type HttpParams,
  hostNameOf,
  type Members,
  membersOf,
  type OpaqueParams,
  type Prefixed,
  parseOpaqueParams,
  type SshParams,
  type TlsParams,
} from './params.ts';
import { ALPNS } from './tls/hello.ts';

/** A listener whose strangers get a web site. */
export interface HttpSettings extends HttpParams {
  readonly site: SiteSource;
}

/** A listener whose strangers get an SSH server that lets nobody in. */
export interface SshSettings extends SshParams {
  /** The seed of the server's Ed25519 key, 32 bytes in base64url. */
  readonly hostKey: string;
}

/** A listener whose strangers get a web site over TLS. */
export interface TlsSettings extends TlsParams {
  readonly site: SiteSource;
  readonly identity: Identity;
}

/** What a listener needs to know beyond the address. */
export type OpaqueSettings = BareParams | HttpSettings | SshSettings | TlsSettings;

type Options = Readonly<Record<string, string>>;

/** What an operator may choose. */
export const OPAQUE_OPTIONS: Options = {
  prefix: 'http, ssh or tls: what the connections begin like; none for random bytes from the first on',
  host: 'http and tls: the name of the server that requests and hellos ask for; none for the address',
  site: `http and tls: what strangers see: ${SITE_OPTION}`,
  delay: `how long clients wait at most before their first words, in milliseconds up to ${MAX_DELAY_MS}; drawn unless told`,
};

const OPTIONS_OF: ReadonlyMap<string | undefined, readonly string[]> = new Map([
  [undefined, ['delay']],
  ['http', ['prefix', 'host', 'site', 'delay']],
  ['ssh', ['prefix', 'delay']],
  ['tls', ['prefix', 'host', 'site', 'delay']],
]);

const HOST_KEY_BYTES = 32;

/** Whose certificate it is where no name was chosen. */
const DEFAULT_NAME = 'localhost';

const AREAS = ['api', 'app', 'files', 'media', 'sync', 'v1', 'v2', 'data', 'service', 'cloud'];
const THINGS = ['upload', 'events', 'objects', 'backup', 'batch', 'collect', 'photos', 'import', 'stream', 'reports'];
const COOKIES = ['sid', 'session', 'sessionid', 'token', 'auth', 'SESSID', 'connect_sid', 'uid'];

function pick<Item>(random: Random, items: readonly Item[], fallback: Item): Item {
  return items[Math.floor(random.fraction() * items.length)] ?? fallback;
}

function drawPath(random: Random): string {
  const parts = [pick(random, AREAS, 'api'), pick(random, AREAS, 'v1'), pick(random, THINGS, 'upload')];
  return `/${[...new Set(parts)].join('/')}`;
}

function drawDelayMs(random: Random, told: string | undefined): number {
  const delayMs = told === undefined ? Math.round(random.fraction() * MAX_DELAY_MS) : Number(told);
  if (told?.trim() !== '' && delayMs >= 0 && delayMs <= MAX_DELAY_MS) return delayMs;
  throw new TunnelError('bad-params', `delay takes milliseconds from 0 to ${MAX_DELAY_MS}`);
}

function hostOf(told: string | undefined): string | null {
  try {
    return hostNameOf(told?.toLowerCase());
  } catch {
    throw new TunnelError('bad-params', 'host takes a name as servers have');
  }
}

/** Draws what a listener's connections look like. Rejects with a `TunnelError` (`bad-params`) when an option is none, or not of the prefix. */
export async function createOpaqueSettings(random: Random, options: Options): Promise<OpaqueSettings> {
  const { prefix, site, host, delay } = options;
  const allowed = OPTIONS_OF.get(prefix);
  if (allowed === undefined) throw new TunnelError('bad-params', 'prefix takes http, ssh or tls');
  const odd = Object.keys(options).find((name) => !allowed.includes(name));
  if (odd !== undefined) throw new TunnelError('bad-params', `opaque has no option named ${odd} here`);
  const delayMs = drawDelayMs(random, delay);
  if (prefix === undefined) return Object.freeze({ delayMs });
  const common: Prefixed = { key: random.bytes(MARK_KEY_BYTES).toString('base64url'), delayMs };
  if (prefix === 'ssh') return { prefix, ...common, hostKey: random.bytes(HOST_KEY_BYTES).toString('base64url') };
  const source = siteSourceOf(site, (count) => random.bytes(count));
  if (prefix === 'http') {
    const look = {
      agent: pick(random, REQUEST_AGENTS, 'curl'),
      path: drawPath(random),
      cookie: pick(random, COOKIES, 'sid'),
    };
    return { prefix, ...common, host: hostOf(host), ...look, site: source };
  }
  const name = hostOf(host);
  const alpn = pick(random, ALPNS, 'h2');
  const identity = createSelfSigned(random, name ?? DEFAULT_NAME);
  return { prefix: 'tls', ...common, host: name, alpn, site: source, identity };
}

function parseHostKey({ hostKey }: Members): string {
  const isKey = typeof hostKey === 'string' && Buffer.from(hostKey, 'base64url').length === HOST_KEY_BYTES;
  if (!isKey) throw new TunnelError('bad-params', 'the settings have no host key');
  return hostKey;
}

function parseIdentity({ identity }: Members): Identity {
  const { key, certificate } = membersOf(identity);
  if (typeof key !== 'string' || typeof certificate !== 'string') {
    throw new TunnelError('bad-params', 'the settings have no certificate');
  }
  pinOfPem(certificate);
  return { key, certificate };
}

/** Takes an object; members of later versions are ignored. Throws a `TunnelError` (`bad-params`). */
export function parseOpaqueSettings(input: unknown): OpaqueSettings {
  const params = parseOpaqueParams(input);
  const members = membersOf(input);
  switch (params.prefix) {
    case undefined:
      return params;
    case 'ssh':
      return { ...params, hostKey: parseHostKey(members) };
    case 'http':
      return { ...params, site: parseSiteSource(members.site) };
    case 'tls':
      return { ...params, site: parseSiteSource(members.site), identity: parseIdentity(members) };
  }
}

/** What clients need to know: everything but what only strangers meet. */
export function paramsOfOpaque(settings: OpaqueSettings): OpaqueParams {
  return parseOpaqueParams(settings);
}
