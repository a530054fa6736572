import type { Random } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import { targetFile } from '../layout.ts';
import { MAX_DELTAS, MAX_SEALED_LIST_BYTES } from '../limits.ts';
import { type Bucket, bucketOf } from '../lists/bucket.ts';
import { encodeDelta, encodeList } from '../lists/paper-list.ts';
import { sha256, type TargetJson } from '../metadata.ts';
import { binOf, roleOfPath } from '../roles.ts';
import type { Storage } from '../storage/storage.ts';
import type { Published } from './documents.ts';
import { type SignedFile, targetJson } from './propose.ts';

/** The entries of one bucket. */
export interface EntryList {
  /** 32 bytes; whoever has them can find and read the list. */
  readonly key: Buffer;
  /** Signed entries, in any order. */
  readonly entries: readonly Buffer[];
}

/** What the publishing machine signs: all of it, not only what has changed. */
export interface NetworkContent {
  readonly lists: readonly EntryList[];
  /** By path, such as `network/tactics`. */
  readonly files: ReadonlyMap<string, SignedFile>;
}

/** A change of a list, as the list's target names it in `custom.deltas`. */
export interface DeltaJson {
  /** The version of the list that it is applied to; the outcome is the next version. */
  readonly from: number;
  readonly length: number;
  readonly sha256: string;
}

type TargetMap = { [path: string]: TargetJson };

/** What `network` and its bins should sign. */
export interface NetworkPart {
  readonly files: TargetMap;
  readonly bins: ReadonlyMap<string, TargetMap>;
  /** Files to be written, by name. */
  readonly written: ReadonlyMap<string, Buffer>;
}

/** What is to be compared with. */
export interface NetworkBefore {
  readonly published: Published | null;
  readonly storage: Storage;
  readonly random: Pick<Random, 'bytes'>;
}

/** Works out what `network` and its bins should sign; lists that have not changed stay as they are, byte by byte. */
export async function networkPart(content: NetworkContent, before: NetworkBefore): Promise<NetworkPart> {
  const written = new Map<string, Buffer>();
  const files: TargetMap = {};
  for (const [path, file] of content.files) {
    if (roleOfPath(path) !== 'network') throw new PublicationError('conflict', `${path} is not for network to sign`);
    files[path] = targetJson(file);
    written.set(targetFile(path, sha256(file.bytes)), file.bytes);
  }
  const bins = new Map<string, TargetMap>();
  for (const list of content.lists) {
    const bucket = bucketOf(list.key);
    const bin = binOf(bucket.path);
    const targets = bins.get(bin) ?? {};
    if (targets[bucket.path] !== undefined || files[bucket.path] !== undefined) {
      throw new PublicationError('conflict', 'two lists have the same bucket');
    }
    targets[bucket.path] = await listTarget(bucket, encodeList(list.entries), { ...before, written });
    bins.set(bin, targets);
  }
  return { files, bins, written };
}

type ListBefore = NetworkBefore & { readonly written: Map<string, Buffer> };

async function listTarget(bucket: Bucket, list: Buffer, before: ListBefore): Promise<TargetJson> {
  const { random, written } = before;
  const last = before.published?.roles.get(binOf(bucket.path))?.signed.targets[bucket.path];
  const lastList = last === undefined ? null : await readList(bucket, last, before.storage);
  if (last !== undefined && lastList?.equals(list)) return last;
  const sealed = bucket.seal('entry list', list, random);
  if (sealed.length > MAX_SEALED_LIST_BYTES) throw new PublicationError('too-large', 'a list of entries is too long');
  written.set(targetFile(bucket.path, sha256(sealed)), sealed);
  const { version, deltas } = listCustom(last);
  if (lastList === null) return targetJson({ bytes: sealed, custom: { version: version + 1, deltas: [] } });
  const delta = bucket.seal('entry delta', encodeDelta(lastList, list), random);
  const hash = sha256(delta);
  const kept = lastDeltas([...deltas, { from: version, length: delta.length, sha256: hash }], sealed.length);
  if (kept.length > 0) written.set(targetFile(bucket.path, hash), delta);
  return targetJson({ bytes: sealed, custom: { version: version + 1, deltas: kept } });
}

/** The last changes that together are shorter than half of the list. */
function lastDeltas(deltas: readonly DeltaJson[], listBytes: number): DeltaJson[] {
  const kept: DeltaJson[] = [];
  let bytes = 0;
  for (const delta of deltas.toReversed()) {
    bytes += delta.length;
    if (kept.length === MAX_DELTAS || 2 * bytes > listBytes) break;
    kept.unshift(delta);
  }
  return kept;
}

/** What the target of a list says of versions and changes. */
export function listCustom(target: { readonly custom?: unknown } | undefined): {
  readonly version: number;
  readonly deltas: readonly DeltaJson[];
} {
  const custom = target?.custom;
  if (typeof custom !== 'object' || custom === null || !('version' in custom) || !('deltas' in custom)) {
    return { version: 0, deltas: [] };
  }
  const { version, deltas } = custom;
  const isGood = Number.isSafeInteger(version) && Array.isArray(deltas) && deltas.every(isDelta);
  return isGood ? { version: Number(version), deltas } : { version: 0, deltas: [] };
}

function isDelta(value: unknown): value is DeltaJson {
  if (typeof value !== 'object' || value === null) return false;
  const { from, length, sha256: hash } = value as Partial<Record<keyof DeltaJson, unknown>>;
  const isHash = typeof hash === 'string' && /^[0-9a-f]{64}$/.test(hash);
  return Number.isSafeInteger(from) && Number.isSafeInteger(length) && Number(length) > 0 && isHash;
}

async function readList(bucket: Bucket, target: TargetJson, storage: Storage): Promise<Buffer | null> {
  const sealed = await storage.read(targetFile(bucket.path, target.hashes.sha256));
  // A list that cannot be read any more is written as if there had been none.
  return sealed === null ? null : bucket.open('entry list', sealed);
}
