import type { Env } from '@rozan/tunnel';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { PublicationError } from '../errors.ts';
import type { SigningKey } from '../keys.ts';
import { METADATA, metadataFile, parseMetadataFile, TIMESTAMP_FILE } from '../layout.ts';
import { KEEP_UNREFERENCED_MS } from '../limits.ts';
import type { SnapshotJson, TargetsJson } from '../metadata.ts';
import { allBins } from '../roles.ts';
import { inBatches, type Storage } from '../storage/storage.ts';
import { delegationOf } from './authority.ts';
import { type Document, type Published, readPublished } from './documents.ts';
import { type NetworkContent, networkPart } from './network-part.ts';
import { type Offline, readPending, resolveOffline, type Waiting } from './pending.ts';
import { Press } from './press.ts';
import { binDelegations, type Workshop } from './propose.ts';
import { fileNamesOf, removeUnreferenced } from './references.ts';

/** What came of a publication. */
export interface PublishReport {
  /** The version of the timestamp, which rises by 1 with whatever is published. */
  readonly version: number;
  /** Roles that have a new version. Empty where everything was as it should be. */
  readonly changed: readonly string[];
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
  /** Drafts that lack signatures. */
  readonly waiting: readonly Waiting[];
  /** What people have to sign anew, and when it expires (ms since 1970), the first one first. */
  readonly expiring: readonly { readonly role: string; readonly expiresMs: number }[];
}

/** Who signs, with which keys, and what. */
export interface PublishOptions extends Workshop {
  /** Keys of `network`, `snapshot` and `timestamp`; others are not looked at. */
  readonly keys: readonly SigningKey[];
  readonly content: NetworkContent;
}

type PublishEnv = Pick<Env, 'clock' | 'random'>;

/**
 * Brings the publication in the storage to where it should be: the content that is given, what people have signed, and fresh dates. Only what
 * has changed is written, the timestamp last; a process that is killed at any moment leaves the publication as it was, or as it should be.
 * No two processes may publish into one storage at a time. Throws a `PublicationError`: `unsigned` before there is a first root, `key` where
 * a key of an online role is missing, `conflict` for content that contradicts itself, `expired` for root metadata that is out of its time, `storage`.
 */
export async function publish(env: PublishEnv, options: PublishOptions): Promise<PublishReport> {
  const { storage, pending } = options;
  const nowMs = env.clock.wallMs();
  const published = await readPublished(storage);
  const drafts = new Map(await readPending(pending));
  for (const [role, { signed }] of drafts) {
    const before = role === 'root' ? published?.root : published?.roles.get(role);
    if (before !== undefined && signed.version <= before.signed.version) drafts.delete(role);
  }
  const offline = resolveOffline(published, drafts);
  const { content, keys } = options;
  const part = await networkPart(content, { published, storage, random: env.random });
  const press = new Press({ published, offline, keys, nowMs });
  const { root, targets } = offline;
  const role = delegationOf('network', { root, targets });
  const delegations = binDelegations(role, targets.signed.delegations?.keys ?? {});
  press.setTargets('network', { targets: part.files, delegations });
  for (const bin of allBins()) press.setTargets(bin, { targets: part.bins.get(bin) ?? {} });
  const next = press.finish();
  verifyAsClient(next, { published, offline, nowMs });
  const hasChanged = press.changed.length > 0;
  const written = await write(storage, { published, next, offline, targets: part.written, hasChanged });
  const keep = new Set([...fileNamesOf(next), ...(published === null ? [] : fileNamesOf(published))]);
  const removed = await removeUnreferenced(storage, {
    keep: new Set([...keep, ...[...drafts.values()].flatMap(({ signed }) => fileNamesOf({ signed }))]),
    beforeMs: nowMs - KEEP_UNREFERENCED_MS,
  });
  await forgetTaken(pending, next);
  return {
    version: next.timestamp.signed.version,
    changed: press.changed,
    ...written,
    removed,
    waiting: offline.waiting,
    expiring: expiryOf(offline),
  };
}

/** What is refused on arrival must not leave. */
function verifyAsClient(
  next: Published,
  { published, offline, nowMs }: { published: Published | null; offline: Offline; nowMs: number },
): void {
  if (Date.parse(next.root.signed.expires) <= nowMs) {
    throw new PublicationError('expired', 'the root of the publication is out of its time: no client takes anything', {
      remedy: '`rozan keys rotate --role root` drafts a new one for its holders to sign.',
    });
  }
  try {
    const store = new TrustedMetadataStore((published?.root ?? next.root).bytes);
    Reflect.set(store, 'referenceTime', new Date(0));
    for (const root of published === null ? [] : offline.newRoots) store.updateRoot(root.bytes);
    store.updateTimestamp(next.timestamp.bytes);
    store.updateSnapshot(next.snapshot.bytes);
    store.updateDelegatedTargets(next.roles.get('targets')?.bytes ?? Buffer.alloc(0), 'targets', 'root');
    const delegated = offline.targets.signed.delegations?.roles ?? [];
    for (const { name } of delegated) {
      const document = next.roles.get(name);
      if (document !== undefined) store.updateDelegatedTargets(document.bytes, name, 'targets');
    }
    for (const bin of allBins()) {
      store.updateDelegatedTargets(next.roles.get(bin)?.bytes ?? Buffer.alloc(0), bin, 'network');
    }
  } catch (cause) {
    throw new PublicationError('conflict', 'clients would refuse this publication', { cause });
  }
}

interface WriteOptions {
  readonly published: Published | null;
  readonly next: Published;
  readonly offline: Offline;
  readonly targets: ReadonlyMap<string, Buffer>;
  readonly hasChanged: boolean;
}

/**
 * The timestamp goes last: until then nothing refers to what is new. A new root goes right before it, since clients that follow it may refuse
 * the timestamp before.
 */
async function write(storage: Storage, { published, next, offline, targets, hasChanged }: WriteOptions) {
  const files = new Map(targets);
  const put = (role: string, document: Document<TargetsJson | SnapshotJson>) =>
    files.set(metadataFile(role, document.signed.version), document.bytes);
  for (const [role, document] of next.roles) put(role, document);
  put('snapshot', next.snapshot);
  const present = new Set((await storage.list('')).map(({ name }) => name));
  const referenced = new Set(published === null ? [] : fileNamesOf(published));
  // Metadata that nobody refers to may be from a process that was killed, and say something else; names of targets hold their hashes.
  const isThere = (name: string) => present.has(name) && (referenced.has(name) || !name.startsWith(METADATA));
  const missing = [...files].filter(([name]) => !isThere(name));
  await inBatches(missing, ([name, bytes]) => storage.write(name, bytes));
  for (const { bytes, signed } of offline.newRoots) await storage.write(metadataFile('root', signed.version), bytes);
  if (hasChanged) await storage.write(TIMESTAMP_FILE, next.timestamp.bytes);
  const roots = offline.newRoots.map(({ bytes }) => bytes);
  const timestamps = hasChanged ? [next.timestamp.bytes] : [];
  const all = [...missing.map(([, bytes]) => bytes), ...roots, ...timestamps];
  return { files: all.length, bytes: all.reduce((sum, { length }) => sum + length, 0) };
}

async function forgetTaken(pending: Storage, next: Published): Promise<void> {
  for (const { name } of await pending.list('')) {
    const file = parseMetadataFile(name);
    if (file === null) continue;
    const taken = file.role === 'root' ? next.root : next.roles.get(file.role);
    if (taken !== undefined && file.version <= taken.signed.version) await pending.remove(name);
  }
}

function expiryOf({ root, targets, delegated }: Offline): PublishReport['expiring'] {
  return [['root', root] as const, ['targets', targets] as const, ...delegated]
    .map(([role, { signed }]) => ({ role, expiresMs: Date.parse(signed.expires) }))
    .toSorted((a, b) => a.expiresMs - b.expiresMs);
}
