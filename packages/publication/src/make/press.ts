import { PublicationError } from '../errors.ts';
import { canonicalBytes, type SigningKey } from '../keys.ts';
import { RENEW_BELOW_SHARE, TIMESTAMP_RENEW_MS } from '../limits.ts';
import {
  head,
  type RoleJson,
  type SignedJson,
  type SnapshotJson,
  sha256,
  signMetadata,
  type TargetsJson,
  type TimestampJson,
} from '../metadata.ts';
import { validMs } from '../roles.ts';
import { type Authority, delegationOf, isSignedFor } from './authority.ts';
import { type Document, type Published, readDocument } from './documents.ts';
import type { Offline } from './pending.ts';

/** Makes new versions of what has changed, and keeps the rest. */
export class Press {
  readonly changed: string[] = [];
  readonly #published: Published | null;
  readonly #offline: Offline;
  readonly #authority: Authority;
  readonly #keys: readonly SigningKey[];
  readonly #nowMs: number;
  readonly #roles: Map<string, Document<TargetsJson>>;

  constructor(options: { published: Published | null; offline: Offline; keys: readonly SigningKey[]; nowMs: number }) {
    const { published, offline, keys, nowMs } = options;
    this.#published = published;
    this.#offline = offline;
    this.#authority = { root: offline.root, targets: offline.targets };
    this.#keys = keys;
    this.#nowMs = nowMs;
    // Roles never leave a snapshot: to clients that would be a rollback.
    this.#roles = new Map([...(published?.roles ?? []), ...offline.delegated, ['targets', offline.targets]]);
    if (offline.newRoots.length > 0) this.changed.push('root');
    for (const [role, document] of this.#roles) {
      if (published?.roles.get(role) !== document) this.changed.push(role);
    }
  }

  setTargets(role: string, members: Pick<TargetsJson, 'targets' | 'delegations'>): void {
    const before = this.#roles.get(role);
    const same = before !== undefined && isSame(members, before.signed) && this.#isFresh(role, before);
    if (!same) this.#roles.set(role, this.#sign(role, 'targets', { before, members }));
  }

  finish(): Published {
    const { root } = this.#offline;
    const meta = Object.fromEntries(
      [...this.#roles]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([role, { bytes, signed }]) => [`${role}.json`, { version: signed.version, length: bytes.length }]),
    );
    const snapshot = this.#next<SnapshotJson>('snapshot', this.#published?.snapshot, { meta });
    const { bytes, signed } = snapshot;
    const described = { version: signed.version, length: bytes.length, hashes: { sha256: sha256(bytes) } };
    const timestamp = this.#next<TimestampJson>('timestamp', this.#published?.timestamp, {
      meta: { 'snapshot.json': described },
    });
    return { root, timestamp, snapshot, roles: this.#roles };
  }

  #next<T extends SnapshotJson | TimestampJson>(
    role: T['_type'],
    before: Document<T> | undefined,
    members: Pick<T, 'meta'>,
  ): Document<T> {
    const isCurrent = before !== undefined && isSame(members, { meta: before.signed.meta });
    if (isCurrent && this.changed.length === 0 && this.#isFresh(role, before)) return before;
    return this.#sign(role, role, { before, members }) as Document<T>;
  }

  /** Whether it is far from its end, and signed by those who may. */
  #isFresh(role: string, document: Document): boolean {
    const [issuedMs, expiresMs] = [Date.parse(document.signed.issued), Date.parse(document.signed.expires)];
    const age = this.#nowMs - issuedMs;
    if (role === 'timestamp' && age >= TIMESTAMP_RENEW_MS) return false;
    const leastMs = RENEW_BELOW_SHARE * validMs(role);
    if (age < 0 || expiresMs - this.#nowMs < leastMs) return false;
    return isSignedFor(role, document, this.#authority);
  }

  #sign<T extends SignedJson>(
    role: string,
    kind: T['_type'],
    { before, members }: { before: Document<T> | undefined; members: object },
  ): Document<T> {
    const { keyids, threshold }: RoleJson = delegationOf(role, this.#authority);
    const signers = this.#keys.filter(({ id }) => keyids.includes(id));
    if (signers.length < threshold) {
      throw new PublicationError('key', `the key of the role ${role} is missing`, {
        remedy: 'It belongs to the keys of the publishing machine; `rozan keys show` lists their ids.',
      });
    }
    // A clock that was set back must not make documents that are older than those before.
    const issuedMs = Math.max(this.#nowMs, before === undefined ? 0 : Date.parse(before.signed.issued));
    const version = (before?.signed.version ?? 0) + 1;
    const dated = head(kind, { version, issuedMs, expiresMs: issuedMs + validMs(role) });
    const signed = { ...dated, ...members };
    this.changed.push(role);
    return readDocument<T>(signMetadata(signed, signers.slice(0, threshold)), kind);
  }
}

function isSame(members: object, signed: object): boolean {
  const relevant = Object.fromEntries(Object.keys(members).map((name) => [name, Reflect.get(signed, name)]));
  return canonicalBytes(members).equals(canonicalBytes(relevant));
}
