import { resolve } from 'node:path';
import type { Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import { ipVersion } from '../network.ts';
import { createBuiltInSite } from './built-in.ts';
import { createFolderSite } from './folder.ts';
import { hesitate } from './hesitation.ts';
import type { Site } from './reply.ts';
import { createProxySite } from './reverse-proxy.ts';

/** Where the pages of a decoy site come from. */
export type SiteSource =
  /** Pages drawn from a seed, in base64url. */
  | { readonly kind: 'built-in'; readonly seed: string }
  /** The files of a folder of this machine. */
  | { readonly kind: 'folder'; readonly path: string }
  /** Another server, without TLS, at a literal address. */
  | { readonly kind: 'proxy'; readonly host: string; readonly port: number };

const SEED_BYTES = 16;

/** What an operator may write for `site`. */
export const SITE_OPTION = 'a folder, http://ADDRESS:PORT of a server to hand requests on to, or built-in';

/**
 * Makes what answers strangers, each request after a moment of its own. It listens nowhere: it is called for requests that came to a listener
 * of a transport.
 */
export function createSite(env: Env, source: SiteSource): Site {
  const site = createPromptSite(env, source);
  return (request, response) =>
    hesitate(env, () => {
      if (!response.destroyed) site(request, response);
    });
}

function createPromptSite(env: Env, source: SiteSource): Site {
  if (source.kind === 'folder') return createFolderSite(source.path);
  if (source.kind === 'proxy') return createProxySite(env, { host: source.host, port: source.port });
  return createBuiltInSite(Buffer.from(source.seed, 'base64url'));
}

/** Reads what an operator chose; undefined is the built-in site. Throws a `TunnelError` (`bad-params`). */
export function siteSourceOf(text: string | undefined, draw: (count: number) => Buffer): SiteSource {
  if (text === undefined || text === 'built-in') {
    return { kind: 'built-in', seed: draw(SEED_BYTES).toString('base64url') };
  }
  if (!/^[a-z]+:\/\//i.test(text)) {
    if (text === '') throw new TunnelError('bad-params', `site takes ${SITE_OPTION}`);
    return { kind: 'folder', path: resolve(text) };
  }
  const url = URL.canParse(text) ? new URL(text) : null;
  const host = url === null ? '' : url.hostname.replace(/^\[|\]$/g, '').replace(/^localhost$/, '127.0.0.1');
  if (url === null || url.protocol !== 'http:' || ipVersion(host) === 0 || url.pathname !== '/' || url.search !== '') {
    throw new TunnelError('bad-params', `site takes ${SITE_OPTION}`);
  }
  return { kind: 'proxy', host, port: url.port === '' ? 80 : Number(url.port) };
}

/** Checks a stored source. Throws a `TunnelError` (`bad-params`). */
export function parseSiteSource(input: unknown): SiteSource {
  const source: Readonly<Record<string, unknown>> = typeof input === 'object' && input !== null ? { ...input } : {};
  const { kind, seed, path, host, port } = source;
  if (kind === 'built-in' && typeof seed === 'string' && seed !== '') return { kind, seed };
  if (kind === 'folder' && typeof path === 'string' && path !== '') return { kind, path };
  const isPort = typeof port === 'number' && Number.isInteger(port) && port > 0 && port < 65_536;
  if (kind === 'proxy' && typeof host === 'string' && ipVersion(host) !== 0 && isPort) return { kind, host, port };
  throw new TunnelError('bad-params', 'the source of the site is none that this version knows');
}
