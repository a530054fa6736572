import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { FolderError } from './folder-error.ts';

/** SQLite's result for a lock that somebody else holds. */
const SQLITE_BUSY = 5;

const LOCK_FILE = 'lock';

function isBusy(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY;
}

function lockedError(folder: string, holder: string, cause: unknown): FolderError {
  const remedy = `stop that ${holder} first, or give this one a folder of its own (--data DIR)`;
  return new FolderError('folder-locked', `another ${holder} runs on ${folder}`, { cause, remedy });
}

/** A held lock. */
export interface FolderLock {
  /** Gives it back. Calling it again does nothing. */
  release(): void;
}

/**
 * Keeps a second program off a folder; `holder` is what the error calls it. The lock is the kernel's, on an empty database file that nothing is ever written to, taken through
 * SQLite because Node itself offers no file locks: it ends with the process, however that ends, so it is never stale, and it holds across
 * containers that share the folder, where process ids mean nothing. Throws `folder-locked`.
 */
export async function lockFolder(folder: string, holder: string): Promise<FolderLock> {
  const path = join(folder, LOCK_FILE);
  const handle = await open(path, 'a', 0o600);
  await handle.close();
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = OFF');
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    throw isBusy(cause) ? lockedError(folder, holder, cause) : cause;
  }
  let isHeld = true;
  return {
    release: () => {
      if (isHeld) database.close();
      isHeld = false;
    },
  };
}
