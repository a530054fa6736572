import { PublicationError } from '../errors.ts';
import { METADATA, parseMetadataFile, TARGETS, TIMESTAMP_FILE } from '../layout.ts';
import { inBatches, type Storage } from '../storage/storage.ts';
import { readPublished } from './documents.ts';
import { fileNamesOf } from './references.ts';

/** What was copied. */
export interface CopyReport {
  readonly files: number;
  readonly bytes: number;
  readonly removed: number;
}

/**
 * Makes one storage hold the publication of another: what is missing is copied, roots and the timestamp last, and then what the source no
 * longer has is removed. Only what the source refers to is copied, so that no remains of a killed process get into a mirror. Throws a
 * `PublicationError` (`storage`).
 */
export async function copyPublication(from: Storage, to: Storage): Promise<CopyReport> {
  const published = await readPublished(from);
  if (published === null) throw new PublicationError('storage', 'nothing has been published yet');
  const [source, target] = await Promise.all([namesOf(from), namesOf(to)]);
  const isRoot = (name: string) => parseMetadataFile(name)?.role === 'root';
  const missing = fileNamesOf(published).filter(
    (name) => name !== TIMESTAMP_FILE && !target.has(name) && !isRoot(name),
  );
  const roots = [...source].filter((name) => isRoot(name) && !target.has(name));
  let bytes = 0;
  const copy = async (name: string) => {
    const content = await from.read(name);
    if (content === null) throw new PublicationError('storage', `the publication lacks a file: ${name}`);
    bytes += content.length;
    await to.write(name, content);
  };
  await inBatches(missing, copy);
  for (const name of roots) await copy(name);
  const { bytes: timestamp } = published.timestamp;
  const isNew = (await to.read(TIMESTAMP_FILE))?.equals(timestamp) !== true;
  if (isNew) await to.write(TIMESTAMP_FILE, timestamp);
  const useless = [...target].filter((name) => !source.has(name));
  await inBatches(useless, (name) => to.remove(name));
  const files = missing.length + roots.length + (isNew ? 1 : 0);
  return { files, bytes: bytes + (isNew ? timestamp.length : 0), removed: useless.length };
}

async function namesOf(storage: Storage): Promise<Set<string>> {
  const lists = await Promise.all([METADATA, TARGETS].map((prefix) => storage.list(prefix)));
  return new Set(lists.flat().map(({ name }) => name));
}
