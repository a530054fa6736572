import { decodeBase64url, encodeBase64url, KEY_BYTES, keyPairOf } from '@rozan/protocol';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { ipVersion } from '../../network.ts';
import { parseSiteSource, SITE_OPTION, type SiteSource, siteSourceOf } from '../../site/site.ts';
import { pinOfPem } from '../../tls/pin.ts';
import { createSelfSigned, type Identity } from '../../tls/self-signed.ts';
import { MESSAGE_AGE_MS, MESSAGE_BYTES } from './limits.ts';
import { type HttpParams, NAME, PIN, readFields, readKey, readShared, readText } from './params.ts';

/** How a listener is reached by TLS. */
export interface HttpTlsSettings {
  /** Its key and certificate; without, TLS ends at whoever stands before it. */
  readonly identity?: Identity;
  /** What clients show, and expect of the certificate of whoever stands before it. */
  readonly sni?: string;
  readonly pin?: string;
}

/** What a listener knows. */
export interface HttpSettings extends Omit<HttpParams, 'publicKey' | 'tls'> {
  readonly site: SiteSource;
  /** The header, in lower case, in which a server in front names its client. */
  readonly forwarded?: string;
  readonly tls?: HttpTlsSettings;
  /** The private half of the params' `publicKey`, 32 bytes in base64url. */
  readonly privateKey: string;
}

/** What an operator may choose. */
export const HTTP_OPTIONS: Readonly<Record<string, string>> = {
  prefix: 'where requests lie in the site, as in /media/; drawn unless given',
  host: 'the Host that clients name; the address unless given',
  tls: 'none (unless said), self (a certificate of its own, pinned in the entry), or front (a server in front does it)',
  pin: 'with tls=front: the pin of the certificate in front, if no authority vouches for it',
  forwarded:
    'the header in which the server in front names its client, such as x-forwarded-for; without, none is believed',
  sni: 'the name that clients show in the TLS handshake, and that the certificate bears',
  site: `what everybody else gets: ${SITE_OPTION}`,
  'max-bytes': 'what a request or response carries at most, in bytes',
  'max-age': 'how long a request or response lives at most, in seconds',
};

/** Folders in which sites keep what people send and fetch, and endings of files that are not looked into. */
const FOLDERS = ['media', 'files', 'uploads', 'assets', 'static', 'content', 'storage', 'objects', 'data', 'cdn'];
const SUFFIXES = ['', '.ts', '.m2ts', '.mts'];

const HEADER = /^[a-z0-9-]{1,64}$/;

function draw<T>(random: Random, items: readonly T[]): T | undefined {
  return items[Math.floor(random.fraction() * items.length)];
}

function readWhole(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new TunnelError('bad-params', `${name} takes a whole number`);
  return Number(text);
}

function createTls(random: Random, options: Readonly<Record<string, string>>): HttpTlsSettings | undefined {
  const { tls = 'none', pin } = options;
  const name = options.sni ?? options.host?.replace(/:\d+$/, '');
  const sni = name === undefined || ipVersion(name) !== 0 ? {} : { sni: name };
  if (pin !== undefined && tls !== 'front') throw new TunnelError('bad-params', 'pin goes with tls=front');
  if (tls === 'none') return undefined;
  if (tls === 'self') return { ...sni, identity: createSelfSigned(random, name ?? 'localhost') };
  if (tls === 'front' && (sni.sni ?? pin) !== undefined) return { ...sni, ...(pin === undefined ? {} : { pin }) };
  throw new TunnelError('bad-params', 'tls takes none, self, or front together with host, sni or pin');
}

function parseTls(input: unknown): HttpTlsSettings {
  const { identity, sni, pin } = readFields(input);
  const shown = {
    ...(sni === undefined ? {} : { sni: readText(sni, 'tls.sni', NAME) }),
    ...(pin === undefined ? {} : { pin: readText(pin, 'tls.pin', PIN) }),
  };
  if (identity === undefined) return shown;
  const { key, certificate } = readFields(identity);
  if (typeof key !== 'string' || typeof certificate !== 'string') {
    throw new TunnelError('bad-params', '"tls.identity" is not a key and a certificate');
  }
  pinOfPem(certificate);
  return { ...shown, identity: { key, certificate } };
}

/** Draws the secrets of a new listener. Rejects with a `TunnelError` (`bad-params`). */
export async function createHttpSettings(
  random: Random,
  options: Readonly<Record<string, string>>,
): Promise<HttpSettings> {
  const unknown = Object.keys(options).find((name) => !(name in HTTP_OPTIONS));
  if (unknown !== undefined) throw new TunnelError('bad-params', `this transport has no option named ${unknown}`);
  const age = readWhole(options['max-age'], 'max-age');
  return parseHttpSettings({
    key: encodeBase64url(random.bytes(KEY_BYTES)),
    privateKey: encodeBase64url(random.bytes(KEY_BYTES)),
    prefix: options.prefix ?? `/${draw(random, FOLDERS) ?? 'files'}/`,
    suffix: draw(random, SUFFIXES) ?? '',
    ...(options.host === undefined ? {} : { host: options.host }),
    site: siteSourceOf(options.site, (count) => random.bytes(count)),
    tls: createTls(random, options),
    forwarded: options.forwarded?.toLowerCase(),
    maxBytes: readWhole(options['max-bytes'], 'max-bytes') ?? MESSAGE_BYTES.default,
    maxAgeMs: age === undefined ? MESSAGE_AGE_MS.default : age * 1000,
  });
}

/** Checks settings that were stored. Throws a `TunnelError` (`bad-params`). */
export function parseHttpSettings(input: unknown): HttpSettings {
  const fields = readFields(input);
  return Object.freeze({
    ...readShared(fields),
    privateKey: readKey(fields, 'privateKey'),
    site: parseSiteSource(fields.site),
    ...(fields.forwarded === undefined ? {} : { forwarded: readText(fields.forwarded, 'forwarded', HEADER) }),
    ...(fields.tls === undefined ? {} : { tls: parseTls(fields.tls) }),
  });
}

/** What clients have to know. */
export function paramsOfHttp(settings: HttpSettings): HttpParams {
  const { privateKey, tls, site: _site, forwarded: _forwarded, ...shared } = settings;
  const { publicKey } = keyPairOf(decodeBase64url(privateKey));
  const { sni, identity, pin = identity === undefined ? undefined : pinOfPem(identity.certificate) } = tls ?? {};
  const tlsParams = {
    ...(sni === undefined ? {} : { sni }),
    ...(pin === undefined ? {} : { pin }),
  };
  return { ...shared, publicKey: encodeBase64url(publicKey), ...(tls === undefined ? {} : { tls: tlsParams }) };
}
