// Server entries: the signed documents by which a client can reach one relay (docs/spec/server-entry.md).
//
//   version u8 = 1 ‖ keyId 8 ‖ signature 64 ‖ payload (UTF-8 JSON, at most 4096 bytes)
//
//   keyId     = first 8 bytes of SHA-256(signer's Ed25519 public key)
//   signature = Ed25519 over "rozan server entry" ‖ 0x00 ‖ version ‖ keyId ‖ payload
import { createHash, createHmac, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { ByteReader } from './bytes.ts';
import { ProtocolError } from './errors.ts';
import { parseHostPort } from './target.ts';

const VERSION = 1;
const KEY_ID_BYTES = 8;
const SIGNATURE_BYTES = 64;
const HEAD_BYTES = 1 + KEY_ID_BYTES + SIGNATURE_BYTES;
const MAX_PAYLOAD_BYTES = 4096;
const KEY_BYTES = 32;
const RELAY_ID_BYTES = 16;
const TAG_BYTES = 8;
const MAX_TRANSPORTS = 8;
const MAX_ADDRESSES = 8;
const MAX_ADDRESS_CHARS = 263;
const MAX_PARAMS_BYTES = 1024;
/** 9999-12-31T23:59:59Z: what every calendar can still write. */
const MAX_SECONDS = 253_402_300_799;

const SIGNATURE_DOMAIN = Buffer.from('rozan server entry\0', 'latin1');
const RELAY_ID_DOMAIN = Buffer.from('rozan relay id\0', 'latin1');
const TAG_DOMAIN = Buffer.from('rozan entry tag\0', 'latin1');
/** What stands before a raw Ed25519 key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410 §7 and §4). */
const PKCS8_HEAD = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_HEAD = Buffer.from('302a300506032b6570032100', 'hex');

const TRANSPORT_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const CHANNEL_NAME = /^[A-Za-z0-9_-]{1,32}$/;
const REGION = /^[A-Z]{2}$/;

/** The shortest envelope that could hold anything, and the longest there is, in bytes. */
export const MIN_ENTRY_BYTES: number = HEAD_BYTES + 2;
export const MAX_ENTRY_BYTES: number = HEAD_BYTES + MAX_PAYLOAD_BYTES;

/** One way to reach the relay. */
export interface EntryTransport {
  /** The transport's name. One that this client does not have is skipped by it, not an error. */
  readonly transport: string;
  /** 1 to 8 of `host:port` or `[v6]:port`, the preferred ones first. Names or IP literals. */
  readonly addresses: readonly string[];
  /** What the transport's `parseParams` takes: unchecked here, but for its size of at most 1024 bytes as compact JSON. */
  readonly params: { readonly [name: string]: unknown };
}

/** What the signer of an entry chooses. */
export interface ServerEntryFields {
  /** The relay's static X25519 public key, 32 bytes. */
  readonly key: Buffer;
  /** The access secret of the relay and channel, 32 bytes. Whoever has it can tell the relay from silence: never log it. */
  readonly secret: Buffer;
  /** The distribution channel that `secret` belongs to: 1 to 32 letters, digits, `-` or `_`. */
  readonly channel?: string | undefined;
  /** Two capital letters (ISO 3166-1). */
  readonly region?: string | undefined;
  /** Start and end of validity, in ms since 1970; whole seconds (the rest is cut off). */
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** 1 to 8 ways, the preferred ones first. */
  readonly transports: readonly EntryTransport[];
}

/** A server entry, frozen: what a client knows of one relay. */
export interface ServerEntry extends ServerEntryFields {
  /** Names the relay: base64url of the first 16 bytes of a hash of `key`. */
  readonly relay: string;
  /** Names this entry (relay and channel) without its address; see `entryTag`. */
  readonly tag: string;
  /** The Ed25519 public key that signed the entry, 32 bytes. */
  readonly signer: Buffer;
}

/** Whether the moment of asking lies in the entry's validity; `unjudged` where none was given. */
export type EntryValidity = 'valid' | 'expired' | 'not-yet' | 'unjudged';

/** What `parseServerEntry` finds. */
export interface ParsedServerEntry {
  readonly entry: ServerEntry;
  readonly validity: EntryValidity;
}

const malformed = (message: string): ProtocolError => new ProtocolError('malformed', `server entry: ${message}`);
const outOfBounds = (message: string): ProtocolError => new ProtocolError('out-of-bounds', `server entry: ${message}`);

/** The id of the relay with this static X25519 public key: base64url (22 characters) of 16 bytes of a hash of it. */
export function relayId(key: Buffer): string {
  return encodeBase64url(hash(RELAY_ID_DOMAIN, key).subarray(0, RELAY_ID_BYTES));
}

/**
 * The name of an entry in failure records: base64url (11 characters) of 8 bytes of an HMAC of the relay's key under the
 * channel's secret. It stays when addresses or validity change, and says nothing to who lacks the secret.
 */
export function entryTag(entry: Pick<ServerEntryFields, 'key' | 'secret'>): string {
  const mac = createHmac('sha256', entry.secret).update(TAG_DOMAIN).update(entry.key).digest();
  return encodeBase64url(mac.subarray(0, TAG_BYTES));
}

/** Where `nowMs` (ms since 1970) lies in the entry's validity: from `issuedMs` to just before `expiresMs`. */
export function entryValidity(entry: Pick<ServerEntryFields, 'issuedMs' | 'expiresMs'>, nowMs: number): EntryValidity {
  if (nowMs < entry.issuedMs) return 'not-yet';
  return nowMs < entry.expiresMs ? 'valid' : 'expired';
}

/**
 * Makes a signed entry. The private key is the 32 bytes of an Ed25519 seed (RFC 8032 §5.1.5). The same fields and key always
 * give the same bytes. Throws a `ProtocolError` (`malformed`, `out-of-bounds`) where the fields are not what an entry may hold.
 */
export function signServerEntry(fields: ServerEntryFields, privateKey: Buffer): Buffer {
  if (privateKey.length !== KEY_BYTES) throw malformed('an Ed25519 private key has 32 bytes');
  const signingKey = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, privateKey]), format: 'der', type: 'pkcs8' });
  const signer = createPublicKey(signingKey).export({ format: 'der', type: 'spki' }).subarray(SPKI_HEAD.length);
  const payload = Buffer.from(
    JSON.stringify({
      relay: relayId(fields.key),
      tag: entryTag(fields),
      key: encodeBase64url(fields.key),
      secret: encodeBase64url(fields.secret),
      channel: fields.channel,
      signer: encodeBase64url(signer),
      region: fields.region,
      issued: Math.floor(fields.issuedMs / 1000),
      expires: Math.floor(fields.expiresMs / 1000),
      transports: fields.transports.map(({ transport, addresses, params }) => ({ transport, addresses, params })),
    }),
  );
  const head = Buffer.concat([Buffer.of(VERSION), keyIdOf(signer)]);
  const signature = sign(null, Buffer.concat([SIGNATURE_DOMAIN, head, payload]), signingKey);
  const bytes = Buffer.concat([head, signature, payload]);
  parseServerEntry(bytes); // what is refused on arrival must not leave
  return bytes;
}

/**
 * Checks and reads a signed entry. Being out of its time is not an error but a state, since a stale entry is better than none
 * (the caller marks it). Throws a `ProtocolError`: `truncated`, `out-of-bounds`, `unsupported` (another version), `malformed`,
 * `not-authentic`. The signature shows that the bytes are the signer's, not that the signer deserves trust.
 */
export function parseServerEntry(bytes: Buffer, options: { readonly nowMs?: number } = {}): ParsedServerEntry {
  if (bytes.length > MAX_ENTRY_BYTES) throw outOfBounds('too long');
  const reader = new ByteReader(bytes);
  if (reader.uint8() !== VERSION) throw new ProtocolError('unsupported', 'server entry: another version');
  const keyId = reader.bytes(KEY_ID_BYTES);
  const signature = reader.bytes(SIGNATURE_BYTES);
  const payload = reader.rest();
  const fields = parseJsonObject(payload);
  const signer = bytesField(fields, 'signer', KEY_BYTES);
  const head = bytes.subarray(0, 1 + KEY_ID_BYTES);
  const authentic =
    keyIdOf(signer).equals(keyId) &&
    verify(null, Buffer.concat([SIGNATURE_DOMAIN, head, payload]), publicKeyOf(signer), signature);
  if (!authentic) throw new ProtocolError('not-authentic', 'server entry: the signature does not fit');
  const entry = parseFields(fields, signer);
  return { entry, validity: options.nowMs === undefined ? 'unjudged' : entryValidity(entry, options.nowMs) };
}

function hash(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function keyIdOf(signer: Buffer): Buffer {
  return hash(signer).subarray(0, KEY_ID_BYTES);
}

function publicKeyOf(signer: Buffer): KeyObject {
  return createPublicKey({ key: Buffer.concat([SPKI_HEAD, signer]), format: 'der', type: 'spki' });
}

type Fields = { readonly [name: string]: unknown };

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function parseJsonObject(payload: Buffer): Fields {
  const value = parseJson(payload);
  if (!isObject(value)) throw malformed('the payload is not an object in JSON and UTF-8');
  return value;
}

/** The value, or nothing. The engine's error is dropped and not kept as a cause: it would quote the payload, which holds a secret. */
function parseJson(payload: Buffer): unknown {
  try {
    // With ignoreBOM a byte order mark is not swallowed but reaches JSON.parse, which refuses it.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload));
  } catch {
    return undefined;
  }
}

function stringField(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw malformed(`"${name}" is not a string`);
  return value;
}

function bytesField(fields: Fields, name: string, count: number): Buffer {
  const bytes = decodeBase64url(stringField(fields, name));
  if (bytes.length !== count) throw outOfBounds(`"${name}" is not of ${count} bytes`);
  return bytes;
}

function patternField(fields: Fields, name: string, pattern: RegExp): string {
  const text = stringField(fields, name);
  if (!pattern.test(text)) throw malformed(`"${name}" is not of its form`);
  return text;
}

/** A time in whole seconds since 1970, as ms. */
function timeField(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isInteger(value)) throw malformed(`"${name}" is not a whole number`);
  if (value < 0 || value > MAX_SECONDS) throw outOfBounds(`"${name}" is beyond all times`);
  return value * 1000;
}

function listField(fields: Fields, name: string, max: number): readonly unknown[] {
  const value = fields[name];
  if (!Array.isArray(value)) throw malformed(`"${name}" is not a list`);
  if (value.length < 1 || value.length > max) throw outOfBounds(`"${name}" has not 1 to ${max} members`);
  return value;
}

function parseAddress(value: unknown): string {
  if (typeof value !== 'string') throw malformed('an address is not a string');
  if (value.length > MAX_ADDRESS_CHARS) throw outOfBounds('an address is too long');
  parseHostPort(value);
  return value;
}

function parseTransport(value: unknown): EntryTransport {
  if (!isObject(value)) throw malformed('a transport is not an object');
  const params = value.params;
  if (!isObject(params)) throw malformed('"params" is not an object');
  if (Buffer.byteLength(JSON.stringify(params)) > MAX_PARAMS_BYTES) throw outOfBounds('"params" is too long');
  return {
    transport: patternField(value, 'transport', TRANSPORT_NAME),
    addresses: listField(value, 'addresses', MAX_ADDRESSES).map(parseAddress),
    params,
  };
}

function parseFields(fields: Fields, signer: Buffer): ServerEntry {
  const key = bytesField(fields, 'key', KEY_BYTES);
  const secret = bytesField(fields, 'secret', KEY_BYTES);
  const entry: ServerEntry = {
    relay: stringField(fields, 'relay'),
    tag: stringField(fields, 'tag'),
    key,
    secret,
    ...(fields.channel !== undefined ? { channel: patternField(fields, 'channel', CHANNEL_NAME) } : {}),
    signer,
    ...(fields.region !== undefined ? { region: patternField(fields, 'region', REGION) } : {}),
    issuedMs: timeField(fields, 'issued'),
    expiresMs: timeField(fields, 'expires'),
    transports: listField(fields, 'transports', MAX_TRANSPORTS).map(parseTransport),
  };
  if (entry.relay !== relayId(key)) throw malformed('"relay" is not the id of "key"');
  if (entry.tag !== entryTag(entry)) throw malformed('"tag" is not that of "key" and "secret"');
  if (entry.expiresMs <= entry.issuedMs) throw malformed('it expires before it begins');
  return freeze(entry);
}

/** Freezes what JSON can hold, to its depth. Buffers cannot be frozen: whoever holds the entry must not write to them. */
function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
