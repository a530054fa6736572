import type { KnownTimes } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import type { PublicKey } from '../keys.ts';
import { targetFile } from '../layout.ts';
import { KEEP_PARTS_MS, MAX_SEALED_LIST_BYTES, MAX_TARGET_BYTES } from '../limits.ts';
import { type Bucket, bucketOf } from '../lists/bucket.ts';
import { applyDelta, decodeList } from '../lists/paper-list.ts';
import { listCustom } from '../make/network-part.ts';
import { sha256 } from '../metadata.ts';
import { partnerOf, roleOfPath } from '../roles.ts';
import type { Storage } from '../storage/storage.ts';
import { download } from './download.ts';
import { commonSpan, type Freshness, judge, type Span } from './freshness.ts';
import { type MirrorOptions, Mirrors } from './mirrors.ts';
import { refreshFrom, restore, takeKeptRole, takeRole } from './refresh.ts';
import { spanOf, type TargetFile, type TrustedSet } from './trusted-set.ts';
import { firstState, type KeptTarget, readState, type TrustedState, withKept, writeState } from './trusted-state.ts';

/** What a client has to have so that it can fetch. */
export interface FetcherOptions {
  /** Root metadata that came with the program or brand. Newer ones are followed; one that is newer than what was kept takes its place. */
  readonly root: Buffer;
  /** Where what was checked is kept; for this client and this network alone. */
  readonly store: Storage;
  readonly mirrors: MirrorOptions;
  /** The time that relays have told, in ms since 1970; null before one has. */
  readonly attestedMs?: (() => number | null) | undefined;
  /** Partners' keys by their names, as the brand has them: others may not sign for these partners, whatever the publication says. */
  readonly partnerKeys?: ReadonlyMap<string, PublicKey> | undefined;
}

/** What came of a refresh. */
export interface RefreshOutcome extends Freshness {
  /** The version of the publication. */
  readonly version: number;
  /** Whether it is another than before. */
  readonly isNew: boolean;
}

/** A file of the publication, checked. */
export interface FetchedTarget extends Freshness {
  readonly bytes: Buffer;
  /** What else was signed of it. */
  readonly custom: Readonly<Record<string, unknown>>;
}

/** The entries of a bucket: signed bytes, which whoever uses them checks. */
export interface FetchedList extends Freshness {
  readonly entries: readonly Buffer[];
  /** Rises by 1 with each change. */
  readonly version: number;
}

interface FindOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * Gets the publication from mirrors, and keeps what it has checked. It never goes back to what is older; a refresh that fails leaves all as it
 * was. Calls may overlap; they run one after the other. Rejections are `PublicationError`s or the signal's reason.
 */
export class Fetcher implements Disposable {
  readonly #env: Pick<Env, 'clock'>;
  readonly #options: FetcherOptions;
  readonly #mirrors: Mirrors;
  #state: TrustedState;
  #set: TrustedSet | null;
  #last: Promise<unknown> = Promise.resolve();

  private constructor(env: Pick<Env, 'clock'>, options: FetcherOptions, state: TrustedState) {
    this.#env = env;
    this.#options = options;
    this.#mirrors = new Mirrors(env.clock, options.mirrors);
    this.#state = state;
    this.#set = restore(state);
  }

  /** Opens what was kept; asks nobody. Throws a `PublicationError` (`malformed`, `storage`). */
  static async open(env: Pick<Env, 'clock'>, options: FetcherOptions): Promise<Fetcher> {
    const kept = await readState(options.store);
    const isBehind = kept !== null && rootVersion(kept.root) < rootVersion(options.root);
    const state = kept === null ? firstState(options.root) : { ...kept, ...(isBehind ? { root: options.root } : {}) };
    await removeRemains(options.store, state, env.clock.wallMs() - KEEP_PARTS_MS);
    return new Fetcher(env, options, state);
  }

  /** Bytes that mirrors have sent so far, as they came over the line, without headers. */
  get receivedBytes(): number {
    return this.#mirrors.receivedBytes;
  }

  /**
   * Looks for a newer publication. A mirror whose publication is out of its time is believed only when no other has a better one.
   * Rejects with the failure that tells most: `rollback`, `not-authentic`, `inconsistent`, `malformed`, `too-large`, `expired` (root),
   * `too-slow`, `unavailable`.
   */
  refresh({ signal }: FindOptions = {}): Promise<RefreshOutcome> {
    return this.#inTurn(async () => {
      const before = this.#set?.timestamp?.version ?? 0;
      const options = { times: this.#times(), signal, persist: (state: TrustedState) => this.#keep(state) };
      await this.#mirrors.attempt(
        async (mirror) => {
          const { set } = await refreshFrom(mirror, { ...options, state: this.#state });
          this.#set = set;
        },
        { signal, isGood: () => this.#judge(this.#topSpans()).validity !== 'expired' },
      );
      const version = this.#set?.timestamp?.version ?? 0;
      return { version, isNew: version !== before, ...this.#judge(this.#topSpans()) };
    });
  }

  /**
   * The file at a path. Throws, beside what mirrors give rise to: `not-found` where nobody has signed for it (or nothing was ever refreshed),
   * `too-large`, `expired` for releases that are out of their time, `not-authentic` for a partner with another key than the brand's.
   */
  target(
    path: string,
    { signal, maxBytes = MAX_TARGET_BYTES }: FindOptions & { maxBytes?: number } = {},
  ): Promise<FetchedTarget> {
    return this.#inTurn(async () => {
      const { target, span } = await this.#find(path, signal);
      const freshness = this.#usable(path, span);
      if (target.length > maxBytes) throw new PublicationError('too-large', `the file is too long: ${path}`);
      const { custom } = target;
      const hash = target.hashes.sha256 ?? '';
      const bytes =
        (await this.#readKept(hash)) ?? (await this.#download({ path, length: target.length, sha256: hash, signal }));
      await this.#putKept(path, { bytes, kept: { sha256: hash, length: bytes.length, custom, ...span } });
      return { bytes, custom, ...freshness };
    });
  }

  /** What was fetched last from a path, without asking anybody; null where there is nothing. Throws `expired` as `target` does. */
  kept(path: string): Promise<FetchedTarget | null> {
    return this.#inTurn(async () => {
      const found = await this.#findKept(path);
      if (found === null) return null;
      const { bytes, kept } = found;
      return { bytes, custom: kept.custom, ...this.#usable(path, kept) };
    });
  }

  /** The entries of a bucket, by the bucket's key of 32 bytes. Where it is known in an older version, only changes are fetched. */
  entryList(key: Buffer, { signal }: FindOptions = {}): Promise<FetchedList> {
    return this.#inTurn(async () => {
      const bucket = bucketOf(key);
      const { target, span } = await this.#find(bucket.path, signal);
      const { version } = listCustom(target);
      const byDeltas = await this.#listByDeltas(bucket, target, signal).catch((error: unknown) => {
        if (error instanceof PublicationError) return null;
        throw error;
      });
      const list = byDeltas ?? (await this.#wholeList(bucket, target, signal));
      const entries = decodeList(list);
      const kept = { sha256: sha256(list), length: list.length, custom: { version }, ...span };
      await this.#putKept(listName(bucket), { bytes: list, kept });
      return { entries, version, ...this.#judge([span]) };
    });
  }

  /** The entries of a bucket as they were fetched last, without asking anybody; null where there are none. */
  keptEntryList(key: Buffer): Promise<FetchedList | null> {
    return this.#inTurn(async () => {
      const found = await this.#findKept(listName(bucketOf(key)));
      if (found === null) return null;
      const { bytes, kept } = found;
      return { entries: decodeList(bytes), version: Number(kept.custom.version ?? 0), ...this.#judge([kept]) };
    });
  }

  async #findKept(name: string): Promise<{ readonly bytes: Buffer; readonly kept: KeptTarget } | null> {
    const kept = this.#state.kept.get(name);
    const bytes = kept === undefined ? null : await this.#readKept(kept.sha256);
    return kept === undefined || bytes === null ? null : { bytes, kept };
  }

  async #listByDeltas(bucket: Bucket, target: TargetFile, signal?: AbortSignal): Promise<Buffer | null> {
    const kept = this.#state.kept.get(listName(bucket));
    let list = kept === undefined ? null : await this.#readKept(kept.sha256);
    let at = Number(kept?.custom.version ?? 0);
    const { version, deltas } = listCustom(target);
    if (list === null || at > version) return null;
    const needed = deltas.filter(({ from }) => from >= at);
    if (needed.length !== version - at) return null;
    for (const { from, length, sha256: hash } of needed) {
      if (from !== at || length > MAX_SEALED_LIST_BYTES) return null;
      const sealed = await this.#download({ path: bucket.path, length, sha256: hash, signal });
      list = applyDelta(list, bucket.open('entry delta', sealed));
      at += 1;
    }
    return list;
  }

  async #wholeList(bucket: Bucket, target: TargetFile, signal?: AbortSignal): Promise<Buffer> {
    const { length, hashes } = target;
    if (length > MAX_SEALED_LIST_BYTES) throw new PublicationError('too-large', 'the list of entries is too long');
    const sealed = await this.#download({ path: bucket.path, length, sha256: hashes.sha256 ?? '', signal });
    return bucket.open('entry list', sealed);
  }

  /** The target of a path, and for how long all that vouches for it is signed. */
  async #find(path: string, signal?: AbortSignal): Promise<{ target: TargetFile; span: Span }> {
    roleOfPath(path);
    const set = this.#set;
    if (set === null) throw new PublicationError('not-found', 'nothing was fetched of the publication yet');
    const spans = this.#topSpans();
    for (let role = 'targets'; ; ) {
      const signed = set.role(role);
      const target = signed !== undefined && Object.hasOwn(signed.targets, path) ? signed.targets[path] : undefined;
      if (target !== undefined) return { target, span: commonSpan(spans) };
      const [next] = signed?.delegations?.rolesForTarget(path) ?? [];
      // Each delegation is to fewer paths, so that the third one at the latest is the last.
      if (next === undefined || spans.length > 5)
        throw new PublicationError('not-found', `nobody has signed for ${path}`);
      this.#checkPin(set, next.role);
      await this.#loadRole(set, { role: next.role, parent: role, signal });
      role = next.role;
      const loaded = set.role(role);
      if (loaded !== undefined) spans.push(spanOf(loaded));
    }
  }

  #checkPin(set: TrustedSet, role: string): void {
    const pin = this.#options.partnerKeys?.get(partnerOf(role) ?? '');
    if (pin === undefined) return;
    const delegations = set.role('targets')?.delegations;
    const keyIds = delegations?.roles?.[role]?.keyIDs ?? [];
    const publicKey = delegations?.keys[pin.id]?.keyVal.public;
    if (keyIds.length === 1 && keyIds[0] === pin.id && publicKey === pin.bytes.toString('hex')) return;
    throw new PublicationError('not-authentic', "the partner's key is not the one that the brand names", {
      remedy: 'Get a newer brand file from the partner, by a way that you trust.',
    });
  }

  async #loadRole(
    set: TrustedSet,
    at: { role: string; parent: string; signal?: AbortSignal | undefined },
  ): Promise<void> {
    if (set.role(at.role) !== undefined) return;
    const options = { set, state: this.#state, ...at };
    if (takeKeptRole(options) !== null) return;
    const bytes = await this.#mirrors.attempt((mirror) => takeRole(mirror, options), { signal: at.signal });
    await this.#keep({ ...this.#state, roles: new Map([...this.#state.roles, [at.role, bytes]]) });
  }

  #download(file: { path: string; length: number; sha256: string; signal?: AbortSignal | undefined }): Promise<Buffer> {
    const { path, signal } = file;
    const name = targetFile(path, file.sha256);
    return this.#mirrors.attempt((mirror) => download(mirror, this.#options.store, { ...file, name }), { signal });
  }

  /** A damaged disk is not to be believed. */
  async #readKept(hash: string): Promise<Buffer | null> {
    const bytes = await this.#options.store.read(`files/${hash}`);
    return bytes !== null && sha256(bytes) === hash ? bytes : null;
  }

  async #putKept(name: string, { bytes, kept }: { bytes: Buffer; kept: KeptTarget }): Promise<void> {
    const { store } = this.#options;
    if ((await this.#readKept(kept.sha256)) === null) await store.write(`files/${kept.sha256}`, bytes);
    const { state, useless } = withKept(this.#state, name, kept);
    await this.#keep(state);
    for (const hash of useless) await store.remove(`files/${hash}`);
  }

  async #keep(state: TrustedState): Promise<void> {
    await writeState(this.#options.store, state);
    this.#state = state;
  }

  #topSpans(): Span[] {
    const { timestamp, snapshot } = this.#set ?? {};
    const targets = this.#set?.role('targets');
    return [timestamp, snapshot, targets].flatMap((signed) => (signed === undefined ? [] : [spanOf(signed)]));
  }

  #times(): Omit<KnownTimes, 'issuedMs'> {
    return { attestedMs: this.#options.attestedMs?.() ?? null, systemMs: this.#env.clock.wallMs() };
  }

  #judge(spans: readonly Span[]): Freshness {
    return judge(commonSpan(spans), {
      ...this.#times(),
      issuedMs: this.#set?.issuedMs(this.#state.roles.keys()) ?? null,
    });
  }

  /** Releases are never used out of their time: somebody may be keeping a mended one back. */
  #usable(path: string, span: Span): Freshness {
    const freshness = this.#judge([span]);
    if (freshness.validity === 'expired' && roleOfPath(path) === 'releases') {
      throw new PublicationError('expired', 'what was published of releases is out of its time', {
        remedy: 'Try again later, or through another mirror: newer ones may be held back here.',
      });
    }
    return freshness;
  }

  /** Lets connections go. */
  [Symbol.dispose](): void {
    this.#mirrors[Symbol.dispose]();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#last.then(work, work);
    this.#last = run.catch(() => {});
    return run;
  }
}

/** What was never finished, and what a process that was killed has left. */
async function removeRemains(store: Storage, { kept }: TrustedState, partsBeforeMs: number): Promise<void> {
  const needed = new Set([...kept.values()].map(({ sha256: hash }) => `files/${hash}`));
  const parts = (await store.list('parts/')).filter(({ writtenMs }) => writtenMs < partsBeforeMs);
  const files = (await store.list('files/')).filter(({ name }) => !needed.has(name));
  for (const { name } of [...parts, ...files]) await store.remove(name);
}

/** A list is kept as it is read, and not as it is sealed at the bucket's path. */
function listName(bucket: Bucket): string {
  return `list ${bucket.name}`;
}

function rootVersion(root: Buffer): number {
  try {
    return Number(JSON.parse(root.toString('utf8')).signed.version);
  } catch (cause) {
    throw new PublicationError('malformed', 'the root that came with the program cannot be read', { cause });
  }
}
