import { resolve } from 'node:path';
import type { Env } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import { type CopyReport, copyPublication } from '../make/copy.ts';
import type { EntryList } from '../make/network-part.ts';
import { draftFiles } from '../make/propose.ts';
import { type PublishReport, publish } from '../make/publish.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import type { Storage } from '../storage/storage.ts';
import type { StateFolder } from './state-folder.ts';

/** What is published beside what lies in the folder, and where copies go. */
export interface PublishFolderOptions {
  readonly lists?: readonly EntryList[];
  /** Folders, or `s3://BUCKET/PREFIX?endpoint=URL`. */
  readonly to?: readonly string[];
}

/** What came of it. */
export interface FolderReport extends PublishReport {
  readonly copies: ReadonlyMap<string, CopyReport>;
}

/**
 * Publishes what is in a folder of state, and copies it to mirrors. A copy that cannot be made keeps none of the others from being made. Throws a
 * `PublicationError`, for copies after all that can be done is done.
 */
export async function publishFolder(
  env: Pick<Env, 'clock' | 'random'>,
  folder: StateFolder,
  { lists = [], to = [] }: PublishFolderOptions = {},
): Promise<FolderReport> {
  const content = await folder.content(env);
  const { storage, pending } = folder;
  for (const [role, files] of content.signed) {
    await draftFiles(folder, role, { files, nowMs: env.clock.wallMs() });
  }
  const network = { ...content.network, lists: [...content.network.lists, ...lists] };
  const report = await publish(env, { storage, pending, keys: await folder.onlineKeys(), content: network });
  const copies = new Map<string, CopyReport>();
  const failures: unknown[] = [];
  for (const [index, place] of to.entries()) {
    try {
      copies.set(place, await copyTo(storage, place));
    } catch (error) {
      failures.push(ofCopy(error, `copy ${index + 1} of ${to.length}`));
    }
  }
  if (failures.length > 0) throw failures[0];
  return { ...report, copies };
}

/** Says which copy it was: a place itself may be secret. */
function ofCopy(cause: unknown, which: string): unknown {
  if (!(cause instanceof PublicationError)) return cause;
  return new PublicationError(cause.code, `${which}: ${cause.message}`, { cause, remedy: cause.remedy });
}

async function copyTo(from: Storage, place: string): Promise<CopyReport> {
  if (!place.startsWith('s3:')) return await copyPublication(from, createFolderStorage(resolve(place)));
  // The library of the buckets is large; few need it.
  const { createS3Storage, parseS3Url } = await import('../storage/s3-storage.ts');
  using bucket = createS3Storage(parseS3Url(place));
  return await copyPublication(from, bucket);
}
