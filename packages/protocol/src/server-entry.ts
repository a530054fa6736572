// Server entries: the signed documents by which a client can reach one relay (docs/spec/server-entry.md).
//
//   version u8 = 1 ‖ keyId 8 ‖ signature 64 ‖ payload (UTF-8 JSON, at most 4096 bytes)
//
//   keyId     = first 8 bytes of SHA-256(signer's Ed25519 public key)
//   signature = Ed25519 over "rozan server entry" ‖ 0x00 ‖ version ‖ keyId ‖ payload
import { createHash, createHmac } from 'node:crypto';
import { encodeBase64url } from './base64url.ts';
import { ProtocolError } from './errors.ts';
import { freezeDeep, isJsonObject, JsonFields } from './json-fields.ts';
import { ENVELOPE_HEAD_BYTES, type EnvelopeKind, openEnvelope, signEnvelope, signerOf } from './signed-envelope.ts';
import { parseHostPort } from './target.ts';

const KIND: EnvelopeKind = { name: 'server entry', maxPayloadBytes: 4096 };
const KEY_BYTES = 32;
const RELAY_ID_BYTES = 16;
const TAG_BYTES = 8;
const MAX_TRANSPORTS = 8;
const MAX_ADDRESSES = 8;
const MAX_ADDRESS_CHARS = 263;
const MAX_PARAMS_BYTES = 1024;

const RELAY_ID_DOMAIN = Buffer.from('rozan relay id\0', 'latin1');
const TAG_DOMAIN = Buffer.from('rozan entry tag\0', 'latin1');

const TRANSPORT_NAME = /^[a-z][a-z0-9-]{0,31}$/;
const CHANNEL_NAME = /^[A-Za-z0-9_-]{1,32}$/;
const REGION = /^[A-Z]{2}$/;

/** The shortest envelope that could hold anything, and the longest there is, in bytes. */
export const MIN_ENTRY_BYTES: number = ENVELOPE_HEAD_BYTES + 2;
export const MAX_ENTRY_BYTES: number = ENVELOPE_HEAD_BYTES + KIND.maxPayloadBytes;

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
  const payload = Buffer.from(
    JSON.stringify({
      relay: relayId(fields.key),
      tag: entryTag(fields),
      key: encodeBase64url(fields.key),
      secret: encodeBase64url(fields.secret),
      channel: fields.channel,
      signer: encodeBase64url(signerOf(privateKey)),
      region: fields.region,
      issued: Math.floor(fields.issuedMs / 1000),
      expires: Math.floor(fields.expiresMs / 1000),
      transports: fields.transports.map(({ transport, addresses, params }) => ({ transport, addresses, params })),
    }),
  );
  const bytes = signEnvelope(KIND, payload, privateKey);
  parseServerEntry(bytes); // what is refused on arrival must not leave
  return bytes;
}

/**
 * Checks and reads a signed entry. Being out of its time is not an error but a state, since a stale entry is better than none
 * (the caller marks it). Throws a `ProtocolError`: `truncated`, `out-of-bounds`, `unsupported` (another version), `malformed`,
 * `not-authentic`. The signature shows that the bytes are the signer's, not that the signer deserves trust.
 */
export function parseServerEntry(bytes: Buffer, options: { readonly nowMs?: number } = {}): ParsedServerEntry {
  const envelope = openEnvelope(KIND, bytes);
  const fields = JsonFields.parse(envelope.payload, KIND.name);
  const signer = fields.bytes('signer', KEY_BYTES);
  if (!envelope.isSignedBy(signer)) {
    throw new ProtocolError('not-authentic', `${KIND.name}: the signature does not fit`);
  }
  const entry = parseFields(fields, signer);
  return { entry, validity: options.nowMs === undefined ? 'unjudged' : entryValidity(entry, options.nowMs) };
}

function hash(...parts: readonly Buffer[]): Buffer {
  return createHash('sha256').update(Buffer.concat(parts)).digest();
}

function parseAddress(value: unknown, fields: JsonFields): string {
  if (typeof value !== 'string') throw fields.malformed('an address is not a string');
  if (value.length > MAX_ADDRESS_CHARS) throw fields.outOfBounds('an address is too long');
  parseHostPort(value);
  return value;
}

function parseTransport(value: unknown): EntryTransport {
  if (!isJsonObject(value)) throw new ProtocolError('malformed', `${KIND.name}: a transport is not an object`);
  const fields = new JsonFields(value, `${KIND.name}: a transport`);
  const params = fields.fields('params').object;
  if (Buffer.byteLength(JSON.stringify(params)) > MAX_PARAMS_BYTES) throw fields.outOfBounds('"params" is too long');
  return {
    transport: fields.pattern('transport', TRANSPORT_NAME),
    addresses: fields.list('addresses', [1, MAX_ADDRESSES]).map((address) => parseAddress(address, fields)),
    params,
  };
}

function parseFields(fields: JsonFields, signer: Buffer): ServerEntry {
  const key = fields.bytes('key', KEY_BYTES);
  const secret = fields.bytes('secret', KEY_BYTES);
  const entry: ServerEntry = {
    relay: fields.string('relay'),
    tag: fields.string('tag'),
    key,
    secret,
    ...(fields.has('channel') ? { channel: fields.pattern('channel', CHANNEL_NAME) } : {}),
    signer,
    ...(fields.has('region') ? { region: fields.pattern('region', REGION) } : {}),
    issuedMs: fields.time('issued'),
    expiresMs: fields.time('expires'),
    transports: fields.list('transports', [1, MAX_TRANSPORTS]).map(parseTransport),
  };
  if (entry.relay !== relayId(key)) throw fields.malformed('"relay" is not the id of "key"');
  if (entry.tag !== entryTag(entry)) throw fields.malformed('"tag" is not that of "key" and "secret"');
  if (entry.expiresMs <= entry.issuedMs) throw fields.malformed('it expires before it begins');
  return freezeDeep(entry);
}
