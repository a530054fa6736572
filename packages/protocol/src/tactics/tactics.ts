// Tactics: signed settings by country, network and channel (docs/spec/tactics.md).
//
//   version u8 = 1 ‖ keyId 8 ‖ signature 64 ‖ payload (UTF-8 JSON, at most 65536 bytes)
//
//   signature = Ed25519 over "rozan tactics" ‖ 0x00 ‖ version ‖ keyId ‖ payload
import { createHash } from 'node:crypto';
import { encodeBase64url } from '../base64url.ts';
import { ProtocolError } from '../errors.ts';
import { freezeDeep, isJsonObject, JsonFields } from '../json-fields.ts';
import { ENVELOPE_HEAD_BYTES, type EnvelopeKind, openEnvelope, signEnvelope } from '../signed-envelope.ts';
import { parseSettings, type TacticsSettings } from './settings.ts';

const KIND: EnvelopeKind = { name: 'tactics', maxPayloadBytes: 65_536 };
const DIGEST_BYTES = 16;
const MAX_RULES = 256;
const MAX_COUNTRIES = 64;
const MAX_NETWORKS = 256;
const MAX_CHANNELS = 64;
/** A minute, so that a stolen key has nobody ask all the time; a week, so that a correction arrives. In seconds. */
const TTL_RANGE = [60, 604_800] as const;
/** RFC 7300: the last one is reserved. */
const ASN_RANGE = [1, 4_294_967_294] as const;

const RULE_ID = /^[a-z0-9][a-z0-9.-]{0,63}$/;
const COUNTRY = /^[A-Z]{2}$/;
const CHANNEL_NAME = /^[A-Za-z0-9_-]{1,32}$/;

/** The longest document there is, in bytes. */
export const MAX_TACTICS_BYTES: number = ENVELOPE_HEAD_BYTES + KIND.maxPayloadBytes;

/** Where a rule holds: all of what is named must fit; who does not know where it is matches only what names nothing. */
export interface TacticsCondition {
  /** Two capital letters each (ISO 3166-1). */
  readonly country?: readonly string[];
  /** Numbers of autonomous systems. */
  readonly asn?: readonly number[];
  /** Distribution channels. */
  readonly channel?: readonly string[];
}

/** One rule of a document. */
export interface TacticsRule {
  /** Names it in events: 1 to 64 of `a–z 0–9 . -`. */
  readonly id: string;
  readonly when: TacticsCondition;
  /** Which share of the clients that it fits takes it, above 0 to 1. */
  readonly probability: number;
  readonly set: TacticsSettings;
}

/** What the signer of tactics chooses. */
export interface TacticsFields {
  /** Start and end of validity, in ms since 1970; whole seconds (the rest is cut off). */
  readonly issuedMs: number;
  readonly expiresMs: number;
  /** After this time a client looks for a newer document. Whole seconds. */
  readonly ttlMs: number;
  readonly rules: readonly TacticsRule[];
}

/** Tactics, frozen. */
export interface Tactics extends TacticsFields {
  /** Names these very settings: base64url of the first 16 bytes of a hash of the payload. */
  readonly digest: string;
}

/** The payload of a document: what is signed, as an object for JSON. */
export function formatTactics({ issuedMs, expiresMs, ttlMs, rules }: TacticsFields): object {
  return {
    issued: Math.floor(issuedMs / 1000),
    expires: Math.floor(expiresMs / 1000),
    ttl: Math.floor(ttlMs / 1000),
    rules: rules.map(({ id, when: { country, asn, channel }, probability, set }) => ({
      id,
      when: { country, asn, channel },
      probability,
      set,
    })),
  };
}

/**
 * Signs tactics with the 32 bytes of an Ed25519 seed. The same fields and key always give the same bytes. Throws a `ProtocolError`
 * (`malformed`, `out-of-bounds`) where the fields are not what tactics may hold.
 */
export function signTactics(fields: TacticsFields, privateKey: Buffer): Buffer {
  const payload = Buffer.from(JSON.stringify(formatTactics(fields)));
  readTacticsPayload(payload); // what is refused on arrival must not leave
  return signEnvelope(KIND, payload, privateKey);
}

/**
 * Checks and reads signed tactics. Any of the public keys (32 bytes each) may have signed them. Being out of their time is no error.
 * Throws a `ProtocolError`: `truncated`, `out-of-bounds`, `unsupported` (another version), `malformed`, `not-authentic`.
 */
export function parseTactics(bytes: Buffer, publicKeys: readonly Buffer[]): Tactics {
  const envelope = openEnvelope(KIND, bytes);
  if (!publicKeys.some((key) => envelope.isSignedBy(key))) {
    throw new ProtocolError('not-authentic', `${KIND.name}: not signed by a key that is trusted for them`);
  }
  return readTacticsPayload(envelope.payload);
}

/** Reads a document without looking at its signature: for showing it to a person, and for nothing else. Throws like `parseTactics`. */
export function readUncheckedTactics(bytes: Buffer): Tactics {
  return readTacticsPayload(openEnvelope(KIND, bytes).payload);
}

/** Reads what is signed. Throws a `ProtocolError` (`malformed`, `out-of-bounds`) that names the rule and the member. */
export function readTacticsPayload(payload: Buffer): Tactics {
  if (payload.length > KIND.maxPayloadBytes) throw new ProtocolError('out-of-bounds', `${KIND.name}: too long`);
  const fields = JsonFields.parse(payload, KIND.name);
  const tactics: Tactics = {
    digest: encodeBase64url(createHash('sha256').update(payload).digest().subarray(0, DIGEST_BYTES)),
    issuedMs: fields.time('issued'),
    expiresMs: fields.time('expires'),
    ttlMs: 1000 * fields.integer('ttl', TTL_RANGE),
    rules: fields.list('rules', [0, MAX_RULES]).map(parseRule),
  };
  if (tactics.expiresMs <= tactics.issuedMs) throw fields.malformed('they expire before they begin');
  if (new Set(tactics.rules.map(({ id }) => id)).size < tactics.rules.length) {
    throw fields.malformed('two rules have the same "id"');
  }
  return freezeDeep(tactics);
}

function parseRule(value: unknown, index: number): TacticsRule {
  if (!isJsonObject(value)) throw new ProtocolError('malformed', `${KIND.name}: a rule is not an object`);
  const id = new JsonFields(value, `${KIND.name}: rule ${index + 1}`).pattern('id', RULE_ID);
  const what = `${KIND.name}: rule ${index + 1} (${id})`;
  const fields = new JsonFields(value, what);
  const probability = fields.has('probability') ? fields.number('probability', [0, 1]) : 1;
  if (probability === 0) throw fields.outOfBounds('"probability" is 0: a rule that nobody takes');
  return { id, when: parseCondition(fields.fields('when')), probability, set: parseSettings(fields.fields('set')) };
}

function parseCondition(fields: JsonFields): TacticsCondition {
  const texts = (name: string, most: number, form: RegExp) =>
    fields.list(name, [1, most]).map((value) => {
      if (typeof value !== 'string' || !form.test(value)) throw fields.malformed(`"${name}" is not of its form`);
      return value;
    });
  const networks = () =>
    fields.list('asn', [1, MAX_NETWORKS]).map((asn) => new JsonFields({ asn }, KIND.name).integer('asn', ASN_RANGE));
  return {
    ...(fields.has('country') ? { country: texts('country', MAX_COUNTRIES, COUNTRY) } : {}),
    ...(fields.has('asn') ? { asn: networks() } : {}),
    ...(fields.has('channel') ? { channel: texts('channel', MAX_CHANNELS, CHANNEL_NAME) } : {}),
  };
}
