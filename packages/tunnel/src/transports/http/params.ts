import { decodeBase64url, KEY_BYTES } from '@rozan/protocol';
import { TunnelError } from '../../errors.ts';
import { MESSAGE_AGE_MS, MESSAGE_BYTES } from './limits.ts';

/** How a client puts TLS on. */
export interface HttpTlsParams {
  /** The name in the client hello; none without. */
  readonly sni?: string;
  /** The certificate's pin; without it the certificate must be vouched for, and bear `certificateName` or else `sni`. */
  readonly pin?: string;
  readonly certificateName?: string;
}

/** What a client has to know of a listener. */
export interface HttpParams {
  /** Everybody with the entry has it: shows the listener that a request is none of a stranger's. 32 bytes in base64url. */
  readonly key: string;
  /** The listener's X25519 key for this transport, 32 bytes in base64url. */
  readonly publicKey: string;
  /** What stands before a request's token in the path, and behind it. */
  readonly prefix: string;
  readonly suffix: string;
  /** For the `Host` field; the address unless given. */
  readonly host?: string;
  /** TLS, with what the client hello shows and which certificate is expected; plain without. */
  readonly tls?: HttpTlsParams;
  /** No request and no response carries more, or lives longer. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

const PREFIX = /^\/(?:(?!\.)[A-Za-z0-9._~-]{1,64}\/){0,8}$/;
const SUFFIX = /^(?:\.[a-z0-9]{1,8})?$/;
const HOST = /^(?:[A-Za-z0-9.-]{1,253}|\[[0-9a-fA-F:.]{2,45}\])(?::\d{1,5})?$/;

/** The members of an object from outside. Throws a `TunnelError` (`bad-params`) for anything else. */
export function readFields(input: unknown): Readonly<Record<string, unknown>> {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw new TunnelError('bad-params', 'the params of this transport are an object');
  }
  return Object.fromEntries(Object.entries(input));
}

/** A key in base64url. Throws a `TunnelError` (`bad-params`). */
export function readKey(fields: Readonly<Record<string, unknown>>, name: string): string {
  const text = fields[name];
  try {
    if (typeof text === 'string' && decodeBase64url(text).length === KEY_BYTES) return text;
  } catch {
    // Told below, without what it was.
  }
  throw new TunnelError('bad-params', `"${name}" is not a key`);
}

/** A text of this form. Throws a `TunnelError` (`bad-params`). */
export function readText(value: unknown, name: string, form: RegExp): string {
  if (typeof value === 'string' && form.test(value)) return value;
  throw new TunnelError('bad-params', `"${name}" is not of its form`);
}

/** A whole number within bounds, the default if there is none. Throws a `TunnelError` (`bad-params`). */
export function readNumber(
  value: unknown,
  name: string,
  bounds: { readonly default: number; readonly least: number; readonly most: number },
): number {
  const number = value ?? bounds.default;
  if (typeof number === 'number' && Number.isInteger(number) && number >= bounds.least && number <= bounds.most) {
    return number;
  }
  throw new TunnelError('bad-params', `"${name}" is not a number from ${bounds.least} to ${bounds.most}`);
}

/** A name of a host in a certificate or a client hello. */
export const NAME: RegExp = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?$/;
/** The SHA-256 of a certificate, in base64url. */
export const PIN: RegExp = /^[A-Za-z0-9_-]{43}$/;

function readTls(input: unknown): HttpTlsParams {
  const { sni, pin, certificateName } = readFields(input);
  if (sni === undefined && pin === undefined && certificateName === undefined) {
    throw new TunnelError('bad-params', '"tls" names no certificate');
  }
  return {
    ...(sni === undefined ? {} : { sni: readText(sni, 'tls.sni', NAME) }),
    ...(pin === undefined ? {} : { pin: readText(pin, 'tls.pin', PIN) }),
    ...(certificateName === undefined
      ? {}
      : { certificateName: readText(certificateName, 'tls.certificateName', NAME) }),
  };
}

/** What both a client and a listener know. Throws a `TunnelError` (`bad-params`). */
export function readShared(fields: Readonly<Record<string, unknown>>): Omit<HttpParams, 'publicKey' | 'tls'> {
  const host = fields.host;
  return {
    key: readKey(fields, 'key'),
    prefix: readText(fields.prefix, 'prefix', PREFIX),
    suffix: readText(fields.suffix ?? '', 'suffix', SUFFIX),
    ...(host === undefined ? {} : { host: readText(host, 'host', HOST) }),
    maxBytes: readNumber(fields.maxBytes, 'maxBytes', MESSAGE_BYTES),
    maxAgeMs: readNumber(fields.maxAgeMs, 'maxAgeMs', MESSAGE_AGE_MS),
  };
}

/** Checks what stands in a server entry; members that are not known are ignored. Throws a `TunnelError` (`bad-params`). */
export function parseHttpParams(input: unknown): HttpParams {
  const fields = readFields(input);
  return Object.freeze({
    ...readShared(fields),
    publicKey: readKey(fields, 'publicKey'),
    ...(fields.tls === undefined ? {} : { tls: readTls(fields.tls) }),
  });
}
