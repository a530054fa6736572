// TUF metadata (specification 1.0 §4): made as plain JSON, signed over its canonical form, read by @tufjs/models.
import { createHash } from 'node:crypto';
import { Metadata, MetadataKind, type Root, type Snapshot, type Targets, type Timestamp } from '@tufjs/models';
import { PublicationError } from './errors.ts';
import { canonicalBytes, type KeyJson, keyJson, type PublicKey, type SigningKey } from './keys.ts';

const SPEC_VERSION = '1.0.31';

type Json = { readonly [name: string]: unknown };
type Kind = 'root' | 'targets' | 'snapshot' | 'timestamp';

/** A role in `root` or in a delegation: who may sign for it, and how many have to. */
export interface RoleJson {
  readonly keyids: readonly string[];
  readonly threshold: number;
}

/** What metadata says of a target. */
export interface TargetJson {
  readonly length: number;
  readonly hashes: { readonly sha256: string };
  readonly custom?: Json;
}

/** A delegated role, as `targets` names it. */
export interface DelegatedRoleJson extends RoleJson {
  readonly name: string;
  readonly terminating: boolean;
  readonly paths: readonly string[];
}

/** What is signed, of any role. */
export interface SignedJson {
  readonly _type: Kind;
  readonly spec_version: string;
  readonly version: number;
  readonly expires: string;
  /** When it was signed; a member of ours, which others skip. */
  readonly issued: string;
}

export interface RootJson extends SignedJson {
  readonly consistent_snapshot: true;
  readonly keys: { readonly [id: string]: KeyJson };
  readonly roles: { readonly [role: string]: RoleJson };
}

export interface TargetsJson extends SignedJson {
  readonly targets: { readonly [path: string]: TargetJson };
  readonly delegations?: {
    readonly keys: { readonly [id: string]: KeyJson };
    readonly roles?: readonly DelegatedRoleJson[];
    readonly succinct_roles?: RoleJson & { readonly bit_length: number; readonly name_prefix: string };
  };
}

export interface SnapshotJson extends SignedJson {
  readonly meta: { readonly [file: string]: { readonly version: number; readonly length?: number } };
}

export interface TimestampJson extends SignedJson {
  readonly meta: { readonly 'snapshot.json': { version: number; length: number; hashes: { sha256: string } } };
}

/** What `sign` needs of time and version. */
export interface Dating {
  readonly version: number;
  /** Both in ms since 1970; whole seconds. */
  readonly issuedMs: number;
  readonly expiresMs: number;
}

/** A time as TUF writes it. */
export function formatTime(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z');
}

/** The first members of what a role signs. */
export function head<K extends Kind>(kind: K, { version, issuedMs, expiresMs }: Dating) {
  return {
    _type: kind,
    spec_version: SPEC_VERSION,
    version,
    issued: formatTime(issuedMs),
    expires: formatTime(expiresMs),
  } as const;
}

/** Public keys by their ids. */
export function keysJson(keys: readonly PublicKey[]): { [id: string]: KeyJson } {
  return Object.fromEntries(keys.map((key) => [key.id, keyJson(key)]));
}

/** Bytes of a signed document, as they are published. */
export function signMetadata(signed: SignedJson, keys: readonly SigningKey[]): Buffer {
  const message = canonicalBytes(signed);
  const signatures = keys.map((key) => ({ keyid: key.id, sig: key.sign(message).toString('hex') }));
  return Buffer.from(JSON.stringify({ signatures, signed }));
}

/** The same document with one more signature; a key that has signed signs in place of that. Throws a `PublicationError` (`malformed`). */
export function addSignature(bytes: Buffer, key: SigningKey): Buffer {
  const { signed, signatures } = parseDocument(bytes);
  const own = { keyid: key.id, sig: key.sign(canonicalBytes(signed)).toString('hex') };
  return Buffer.from(
    JSON.stringify({ signatures: [...signatures.filter(({ keyid }) => keyid !== key.id), own], signed }),
  );
}

/** The signatures of both, if both are over the same. Throws a `PublicationError` (`conflict`, `malformed`). */
export function mergeSignatures(one: Buffer, other: Buffer): Buffer {
  const [first, second] = [parseDocument(one), parseDocument(other)];
  if (!canonicalBytes(first.signed).equals(canonicalBytes(second.signed))) {
    throw new PublicationError('conflict', 'two different documents: their signatures cannot be put together');
  }
  const added = second.signatures.filter(({ keyid }) => !first.signatures.some((known) => known.keyid === keyid));
  return Buffer.from(JSON.stringify({ signatures: [...first.signatures, ...added], signed: first.signed }));
}

interface Document {
  readonly signed: SignedJson;
  readonly signatures: readonly { readonly keyid: string; readonly sig: string }[];
}

/** Takes a document apart, whoever has signed it. Throws a `PublicationError` (`malformed`). */
export function parseDocument(bytes: Buffer): Document {
  const value = parseJson(bytes);
  const { signed, signatures } = value;
  const isSignature = (one: unknown) => isObject(one) && typeof one.keyid === 'string' && typeof one.sig === 'string';
  if (!isObject(signed) || !Array.isArray(signatures) || !signatures.every(isSignature)) {
    throw new PublicationError('malformed', 'no signed metadata');
  }
  const { _type: kind, version, expires } = signed;
  const isKnown = kind === 'root' || kind === 'targets' || kind === 'snapshot' || kind === 'timestamp';
  if (!isKnown || !Number.isSafeInteger(version) || Number(version) < 1 || typeof expires !== 'string') {
    throw new PublicationError('malformed', 'metadata without a known type, a version and an expiry');
  }
  return { signed: signed as unknown as SignedJson, signatures };
}

/** Reads root metadata. Its signatures are not looked at. Throws a `PublicationError` (`malformed`). */
export const parseRoot = (bytes: Buffer): Metadata<Root> =>
  guarded(() => Metadata.fromJSON(MetadataKind.Root, parseJson(bytes)));
/** As `parseRoot`, for targets and delegated roles. */
export const parseTargets = (bytes: Buffer): Metadata<Targets> =>
  guarded(() => Metadata.fromJSON(MetadataKind.Targets, parseJson(bytes)));
/** As `parseRoot`, for snapshots. */
export const parseSnapshot = (bytes: Buffer): Metadata<Snapshot> =>
  guarded(() => Metadata.fromJSON(MetadataKind.Snapshot, parseJson(bytes)));
/** As `parseRoot`, for timestamps. */
export const parseTimestamp = (bytes: Buffer): Metadata<Timestamp> =>
  guarded(() => Metadata.fromJSON(MetadataKind.Timestamp, parseJson(bytes)));

/** When a document was issued and when it expires, in ms since 1970; `issuedMs` is null where it does not say. */
export function timesOf(signed: { readonly expires: string; readonly unrecognizedFields?: Json }): {
  readonly issuedMs: number | null;
  readonly expiresMs: number;
} {
  const issued = signed.unrecognizedFields?.issued;
  const issuedMs = typeof issued === 'string' ? Date.parse(issued) : Number.NaN;
  return { issuedMs: Number.isNaN(issuedMs) ? null : issuedMs, expiresMs: Date.parse(signed.expires) };
}

/** SHA-256 as hexadecimal digits. */
export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

// biome-ignore lint/suspicious/noExplicitAny: what JSON can hold, which is what @tufjs/models takes and checks.
function parseJson(bytes: Buffer): Record<string, any> {
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (isObject(value)) return value;
  } catch (cause) {
    throw new PublicationError('malformed', 'metadata that is no JSON', { cause });
  }
  throw new PublicationError('malformed', 'metadata that is no JSON object');
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof PublicationError) throw cause;
    throw new PublicationError('malformed', 'metadata out of its form', { cause });
  }
}
