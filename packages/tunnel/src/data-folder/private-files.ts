import { chmod, mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { FolderError } from './folder-error.ts';

const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;
/** Bits that let anyone but the owner in. */
const OTHERS = 0o077;

/** Windows keeps no modes: there a folder is as private as its parent. */
const hasModes = (): boolean => process.platform !== 'win32';

function errnoOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error ? String(error.code) : null;
}

/** Whether an error of `node:fs` says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT';
}

/** Creates a folder of mode 0700, with its parents; one that exists stays as it is. Throws `folder-broken` where there can be none. */
export async function createPrivateFolder(path: string): Promise<void> {
  const created = await mkdir(path, { recursive: true, mode: FOLDER_MODE }).catch((cause: unknown) => {
    const remedy = 'name a folder that belongs to you; no file may have its name';
    throw new FolderError('folder-broken', `the folder cannot be made: ${path} (${errnoOf(cause)})`, { cause, remedy });
  });
  // A mask of the process may have taken bits away, and never adds any.
  if (created !== undefined && hasModes()) await chmod(path, FOLDER_MODE);
}

/** Throws `folder-not-private` if others than the owner may look into the folder or read the file at `path`. */
export async function expectPrivate(path: string): Promise<void> {
  const stats = await stat(path);
  if (!hasModes() || (stats.mode & OTHERS) === 0) return;
  const mode = stats.isDirectory() ? '700' : '600';
  throw new FolderError('folder-not-private', `other users of this machine can read ${path}`, {
    remedy: `chmod ${mode} ${path}`,
  });
}

/** Makes what has happened in a folder outlive a power cut. Windows knows no such call and needs none. */
export async function syncFolder(path: string): Promise<void> {
  if (!hasModes()) return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Writes a file of mode 0600 so that at any moment, whatever is killed, the path holds the old bytes or the new ones. One writer at a time
 * for each path: a file `PATH.tmp` left by a killed one is written over.
 */
export async function writeFileAtomically(path: string, bytes: Buffer | string): Promise<void> {
  const temporary = `${path}.tmp`;
  const handle = await open(temporary, 'w', FILE_MODE);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}

/** Reads a private file of at most `maxBytes`; null if there is none. Throws `folder-not-private` and `folder-broken`. */
export async function readPrivateFile(path: string, maxBytes: number): Promise<Buffer | null> {
  const handle = await open(path, 'r').catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (handle === null) return null;
  try {
    await expectPrivate(path);
    const { size } = await handle.stat();
    if (size > maxBytes) throw new FolderError('folder-broken', `${path} is larger than it is ever written`);
    return await handle.readFile();
  } finally {
    await handle.close();
  }
}
