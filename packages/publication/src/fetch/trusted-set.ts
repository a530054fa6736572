import type { Root, Snapshot, TargetFile, Targets, Timestamp } from '@tufjs/models';
import { LengthOrHashMismatchError, UnsignedMetadataError } from '@tufjs/models/dist/error.js';
import { BadVersionError, EqualVersionError, RepositoryError } from 'tuf-js/dist/error.js';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { PublicationError, type PublicationErrorCode } from '../errors.ts';
import { timesOf } from '../metadata.ts';
import type { Span } from './freshness.ts';

type Signed = Root | Snapshot | Targets | Timestamp;

export type { TargetFile };

/**
 * Metadata whose signatures, versions and hashes are as the TUF specification (§5) asks. Expiry is not looked at: that is for whoever knows the
 * time. After a failure of `takeSnapshot` the set is of no use. Everything throws a `PublicationError`.
 */
export class TrustedSet {
  readonly #store: TrustedMetadataStore;

  constructor(root: Buffer) {
    this.#store = guarded(() => new TrustedMetadataStore(root), 'rollback');
    // Its own clock is the system's, which may be wrong; before 1970 nothing expires.
    if (!Reflect.has(this.#store, 'referenceTime')) throw new Error('tuf-js has no reference time any more');
    Reflect.set(this.#store, 'referenceTime', new Date(0));
  }

  get root(): Root {
    return this.#store.root.signed;
  }

  get timestamp(): Timestamp | undefined {
    return this.#store.timestamp?.signed;
  }

  get snapshot(): Snapshot | undefined {
    return this.#store.snapshot?.signed;
  }

  /** The metadata of `targets` or of a delegated role, if it was taken. */
  role(name: string): Targets | undefined {
    return this.#store.getRole(name)?.signed;
  }

  /** Takes the next root, signed by the keys of the one before and its own. */
  takeRoot(bytes: Buffer): void {
    guarded(() => this.#store.updateRoot(bytes), 'rollback');
  }

  /** Takes a timestamp that is not older; false for one of the same version, in whose place the one before stays. */
  takeTimestamp(bytes: Buffer): boolean {
    try {
      guarded(() => this.#store.updateTimestamp(bytes), 'rollback');
      return true;
    } catch (error) {
      if (error instanceof PublicationError && error.cause instanceof EqualVersionError) return false;
      throw error;
    }
  }

  /** Takes the snapshot that the timestamp names. One that was trusted already need not have its hash. */
  takeSnapshot(bytes: Buffer, { wasTrusted = false } = {}): void {
    guarded(() => this.#store.updateSnapshot(bytes, wasTrusted), 'rollback');
  }

  /** Takes the metadata of a role that `parent` delegates to, in the version that the snapshot names. */
  takeTargets(bytes: Buffer, role: string, parent: string): void {
    guarded(() => this.#store.updateDelegatedTargets(bytes, role, parent), 'inconsistent');
  }

  /** The latest time of issue in all that was taken; null where nothing says when it was issued. */
  issuedMs(roles: Iterable<string>): number | null {
    const documents: (Signed | undefined)[] = [this.root, this.timestamp, this.snapshot];
    for (const role of roles) documents.push(this.role(role));
    const times = documents.flatMap((signed) => (signed === undefined ? [] : (timesOf(signed).issuedMs ?? [])));
    return times.length === 0 ? null : Math.max(...times);
  }
}

/** The time of a document. One that does not say when it was issued was so at any time. */
export function spanOf(signed: Signed): Span {
  const { issuedMs, expiresMs } = timesOf(signed);
  return { issuedMs: issuedMs ?? 0, expiresMs };
}

function guarded<T>(work: () => T, badVersion: PublicationErrorCode): T {
  try {
    return work();
  } catch (cause) {
    const [code, message] = describe(cause, badVersion);
    throw new PublicationError(code, message, { cause });
  }
}

function describe(error: unknown, badVersion: PublicationErrorCode): readonly [PublicationErrorCode, string] {
  if (error instanceof UnsignedMetadataError) return ['not-authentic', 'too few of the right keys have signed'];
  if (error instanceof LengthOrHashMismatchError) return ['inconsistent', 'metadata is not that which was signed for'];
  if (error instanceof BadVersionError) {
    return badVersion === 'rollback'
      ? ['rollback', 'metadata is older than what was seen, or jumps']
      : ['inconsistent', 'metadata is of another version than that which was signed for'];
  }
  // What is in a snapshot never leaves it.
  if (error instanceof RepositoryError) return ['rollback', 'a role that was there is missing'];
  return ['malformed', 'metadata out of its form'];
}
