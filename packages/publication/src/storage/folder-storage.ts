import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { PublicationError } from '../errors.ts';
import type { Storage, StoredFile } from './storage.ts';

const NAME = /^(?:[A-Za-z0-9_-][A-Za-z0-9._%-]*\/)*[A-Za-z0-9_-][A-Za-z0-9._%-]*$/;
/** What a file is called until it is whole; no name of a stored file begins with a dot. */
const UNFINISHED = '.new-';

/** Who may read the files: everybody, as a web server has to, or their owner alone. */
export interface FolderStorageOptions {
  readonly isPrivate?: boolean;
}

/** A storage in a folder, which is made when it is missing. A web server can serve it as it is. */
export function createFolderStorage(folder: string, { isPrivate = false }: FolderStorageOptions = {}): Storage {
  const mode = isPrivate ? { file: 0o600, folder: 0o700 } : { file: 0o644, folder: 0o755 };
  const pathOf = (name: string): string => {
    if (!NAME.test(name)) throw new PublicationError('storage', 'no name of a stored file');
    return join(folder, name);
  };
  return {
    read: (name) => guarded(() => readFile(pathOf(name)).catch(nullIfMissing)),
    write: (name, bytes) => guarded(() => replaceFile(pathOf(name), bytes, mode)),
    list: (prefix) => guarded(async () => (await listFolder(folder, '')).filter(({ name }) => name.startsWith(prefix))),
    remove: (name) => guarded(() => rm(pathOf(name), { force: true })),
  };
}

/** Writes a file so that it is whole or not there, and stays after a power cut. */
export async function replaceFile(
  path: string,
  bytes: Buffer,
  mode: { readonly file: number; readonly folder: number },
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: mode.folder });
  const unfinished = join(folder, `${UNFINISHED}${path.slice(folder.length + 1)}`);
  const file = await open(unfinished, 'w', mode.file);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(unfinished, path);
  await syncFolder(folder);
}

async function syncFolder(path: string): Promise<void> {
  // Windows has no such thing.
  const folder = await open(path).catch(() => null);
  await folder?.sync().catch(() => {});
  await folder?.close();
}

async function listFolder(folder: string, prefix: string): Promise<StoredFile[]> {
  const found = await readdir(join(folder, prefix), { withFileTypes: true }).catch(nullIfMissing);
  const files = await Promise.all(
    (found ?? []).map(async (entry): Promise<StoredFile[]> => {
      const name = `${prefix}${entry.name}`;
      if (entry.isDirectory()) return await listFolder(folder, `${name}/`);
      const stats = entry.name.startsWith('.') ? null : await stat(join(folder, name)).catch(nullIfMissing);
      return stats === null ? [] : [{ name, writtenMs: stats.mtimeMs }];
    }),
  );
  return files.flat();
}

function nullIfMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
}

async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof PublicationError) throw cause;
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new PublicationError('storage', `the folder of the publication cannot be used: ${code}`, { cause });
  }
}
