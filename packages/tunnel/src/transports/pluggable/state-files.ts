import { chmod, lstat, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TunnelError } from '../../errors.ts';
import { MAX_STATE_BYTES, MAX_STATE_FILES } from './limits.ts';

/** What an executable has written into its folder, by name, in base64. */
export type StateFiles = Readonly<Record<string, string>>;

const FILE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;
const PRIVATE_FOLDER = 0o700;
const PRIVATE_FILE = 0o600;

/** Reads a folder. Rejects with a `TunnelError` (`failed`) when there is more than a relay would keep. */
export async function readStateFiles(folder: string): Promise<StateFiles> {
  const files: [string, string][] = [];
  let bytes = 0;
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isFile() || !FILE_NAME.test(entry.name)) continue;
    const content = await readFile(join(folder, entry.name));
    bytes += content.length;
    files.push([entry.name, content.toString('base64')]);
  }
  if (files.length > MAX_STATE_FILES || bytes > MAX_STATE_BYTES) {
    throw new TunnelError('failed', 'the executable keeps more than has room in the settings of a listener');
  }
  return Object.fromEntries(files);
}

/** Checks what was stored. Throws a `TunnelError` (`bad-params`). */
export function checkStateFiles(input: unknown): StateFiles {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) throw badState();
  const files: [string, string][] = [];
  for (const [name, content] of Object.entries(input)) {
    if (!FILE_NAME.test(name) || typeof content !== 'string' || !BASE64.test(content)) throw badState();
    files.push([name, content]);
  }
  return Object.freeze(Object.fromEntries(files));
}

function badState(): TunnelError {
  return new TunnelError('bad-params', 'the stored state of the executable is not of its form');
}

/**
 * Makes a folder that is for this user only, or takes it over if it is one. Rejects with a `TunnelError` (`failed`) for anything else that
 * goes by this name.
 */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { mode: PRIVATE_FOLDER, recursive: true });
  const status = await lstat(path);
  const isOurs = process.getuid === undefined || status.uid === process.getuid();
  if (!status.isDirectory() || !isOurs) throw new TunnelError('failed', 'the folder for the executable is not ours');
  await chmod(path, PRIVATE_FOLDER);
}

/** Fills a folder with what was stored, and with nothing else. */
export async function writeStateFiles(folder: string, files: StateFiles): Promise<void> {
  await rm(folder, { recursive: true, force: true });
  await makePrivateFolder(folder);
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), Buffer.from(content, 'base64'), { mode: PRIVATE_FILE });
  }
}
