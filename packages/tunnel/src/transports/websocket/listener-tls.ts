import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Random } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { CertificateOrder } from '../../tls/certificates.ts';
import { pinOfPem } from '../../tls/pin.ts';
import { createSelfSigned, type Identity } from '../../tls/self-signed.ts';
import { isHostName, type WebSocketParams } from './params.ts';

/**
 * Where the listener's key and certificate are: in the settings, in files of this machine, with an authority that is asked for them (those in the
 * settings stand in until it has answered), or nowhere (no TLS here).
 */
export type ListenerTls =
  | { readonly kind: 'none' }
  | ({ readonly kind: 'stored' } & Identity)
  | { readonly kind: 'files'; readonly key: string; readonly certificate: string }
  | ({ readonly kind: 'acme'; readonly order: CertificateOrder } & Identity);

/** What an operator may choose of it. */
export const TLS_OPTIONS: Readonly<Record<string, string>> = {
  tls: 'self: a certificate of its own, pinned in entries; acme: one of an authority, for host, asked for and renewed by the relay; none: plain HTTP; front: a server in front ends TLS',
  certificate: 'a PEM file with a certificate that an authority has signed, and its chain; needs key and host',
  key: 'a PEM file with the key of the certificate',
  pin: 'with tls=front: the SHA-256 of the certificate in front, in base64url, if no authority vouches for it',
  'acme-directory': "with tls=acme: the URL of the authority's directory; Let's Encrypt's if not given",
  'acme-contact': 'with tls=acme: a mail address to which the authority may write',
  'acme-root': 'with tls=acme: a PEM file with the root that vouches for the directory, if none of the usual ones does',
};

type Options = Readonly<Record<string, string>>;

const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

function isHttpsUrl(text: string): boolean {
  return URL.canParse(text) && new URL(text).protocol === 'https:';
}

/** What each option's value has to be like. */
export const TLS_CHECKS: Readonly<Record<string, (value: string) => boolean>> = {
  tls: (value) => ['self', 'acme', 'none', 'front'].includes(value),
  'acme-directory': isHttpsUrl,
  'acme-contact': (value) => /^[^\s@,]+@[^\s@,]+$/.test(value),
};

/** Throws a `TunnelError` (`bad-params`) for options that do not fit together. */
export function checkTlsOptions(options: Options): void {
  const { tls, certificate, key, pin, host } = options;
  const refuse = (what: string) => {
    throw new TunnelError('bad-params', `websocket: ${what}`);
  };
  if ((certificate === undefined) !== (key === undefined)) refuse('certificate and key go together');
  if (certificate !== undefined && tls !== undefined) refuse('with a certificate there is no choice of tls');
  if (pin !== undefined && tls !== 'front') refuse('pin goes with tls=front');
  const acme = Object.keys(options).find((option) => option.startsWith('acme-'));
  if (acme !== undefined && tls !== 'acme') refuse(`${acme} goes with tls=acme`);
  const needsName = certificate !== undefined || tls === 'acme' || (tls === 'front' && pin === undefined);
  if (needsName && host === undefined) refuse('say with host what name the certificate bears');
  if (tls === 'acme' && !isOrderable(host ?? '')) refuse('with tls=acme, host is a name such as www.example.org');
}

/** Authorities give no certificates for names without a dot, nor with a port behind. */
function isOrderable(host: string): boolean {
  return isHostName(host) && /[^.]\.[^.]/.test(host);
}

/** Chooses it by options that fit together; keys are drawn here. */
export function chooseTls(random: Random, options: Options): ListenerTls {
  const { tls, certificate, key, host = 'localhost' } = options;
  if (certificate !== undefined && key !== undefined) {
    return { kind: 'files', certificate: resolve(certificate), key: resolve(key) };
  }
  if (tls === 'none' || tls === 'front') return { kind: 'none' };
  const identity = createSelfSigned(random, host.replace(/:\d+$/, ''));
  if (tls !== 'acme') return { kind: 'stored', ...identity };
  const { 'acme-directory': directory = LETS_ENCRYPT, 'acme-contact': contact, 'acme-root': root } = options;
  return {
    kind: 'acme',
    ...identity,
    order: {
      name: host.toLowerCase(),
      directory,
      ...(contact === undefined ? {} : { contact: `mailto:${contact}` }),
      ...(root === undefined ? {} : { root: resolve(root) }),
    },
  };
}

/** What clients have to know of it. */
export function clientTlsOf({ tls, pin }: Options, listener: ListenerTls): Pick<WebSocketParams, 'tls' | 'pin'> {
  if (listener.kind === 'stored') return { tls: 'pin', pin: pinOfPem(listener.certificate) };
  if (listener.kind === 'none' && tls !== 'front') return { tls: 'none' };
  return pin === undefined ? { tls: 'ca' } : { tls: 'pin', pin };
}

function fieldsOf(input: unknown): Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null ? { ...input } : {};
}

function parseOrder(input: unknown): CertificateOrder | null {
  const { name, directory, contact, root } = fieldsOf(input);
  if (typeof name !== 'string' || !isOrderable(name)) return null;
  if (typeof directory !== 'string' || !isHttpsUrl(directory)) return null;
  const isRight = [contact, root].every((value) => value === undefined || typeof value === 'string');
  // Just checked.
  return isRight ? ({ name, directory, contact, root } as CertificateOrder) : null;
}

/** Checks what was stored. Throws a `TunnelError` (`bad-params`). */
export function parseListenerTls(input: unknown): ListenerTls {
  const { kind, key, certificate, order: stored } = fieldsOf(input);
  if (kind === 'none') return { kind };
  if (typeof key === 'string' && typeof certificate === 'string') {
    if (kind === 'stored' || kind === 'files') return { kind, key, certificate };
    const order = kind === 'acme' ? parseOrder(stored) : null;
    if (order !== null) return { kind: 'acme', key, certificate, order };
  }
  throw new TunnelError('bad-params', 'websocket: the settings of TLS are none that this version knows');
}

/** The listener's key and certificate, or those that stand in; null without TLS. Throws a `TunnelError` (`failed`) when their files cannot be read. */
export function identityOf(tls: ListenerTls): Identity | null {
  if (tls.kind === 'none') return null;
  if (tls.kind !== 'files') return { key: tls.key, certificate: tls.certificate };
  try {
    return { key: readFileSync(tls.key, 'utf8'), certificate: readFileSync(tls.certificate, 'utf8') };
  } catch (cause) {
    throw new TunnelError('failed', 'the files of certificate and key cannot be read', { cause });
  }
}

/** What an authority is asked for. */
export function orderOf(tls: ListenerTls): CertificateOrder | null {
  return tls.kind === 'acme' ? tls.order : null;
}
