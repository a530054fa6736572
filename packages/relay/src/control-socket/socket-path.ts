import { chmod, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { Random } from '@rozan/tunnel';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { LOCAL_BOUNDS } from '../limits/constants.ts';

const CONTROL_NAME = 'control';
const MAX_POINTER_BYTES = 512;
const PIPE_NAME_BYTES = 16;

/** Where short paths can be had nearly always. */
const SHORT_FOLDER = '/tmp';

/** The paths that `claimSocketPath` makes there. */
const SHORT_PATH = /^\/(?:[^/]+\/)+rozan-[A-Za-z0-9]{6}\/[a-z0-9-]+\.sock$/;

/** What `claimSocketPath` may be told. */
export interface SocketPathOptions {
  /** What the socket is called: `NAME.sock`, and `NAME-path` is the file that says where it is instead; `control` without. */
  readonly name?: string | undefined;
  readonly platform?: NodeJS.Platform | undefined;
  readonly maxPathBytes?: number | undefined;
}

/** A path for a local socket, claimed by the one relay that has the folder locked. */
export interface ClaimedPath {
  readonly path: string;
  /** Removes what was made for it. */
  release(): Promise<void>;
}

async function readPointer(folder: string, name: string): Promise<string | null> {
  return (await readPrivateFile(join(folder, pointerFile(name)), MAX_POINTER_BYTES))?.toString() ?? null;
}

/** Removes what a killed relay has left behind: the pointer, and the short folder that it points into. */
async function removePointer(folder: string, name: string): Promise<void> {
  const path = await readPointer(folder, name);
  if (path !== null && SHORT_PATH.test(path)) {
    await rm(path, { force: true });
    // Only an empty folder is removed: whatever else is in it is none of ours.
    await rmdir(dirname(path)).catch(() => undefined);
  }
  await rm(join(folder, pointerFile(name)), { force: true });
}

/**
 * Chooses where the control socket, or another one, of the relay in `folder` is. Systems take short paths only; if the folder's is too long, the socket goes
 * into a new folder of mode 0700 under /tmp (or the system's temporary folder), and a file in the relay's folder says where. Windows has named pipes instead: there the name is
 * random, and known only to who may read that file.
 */
export async function claimSocketPath(
  random: Random,
  folder: string,
  options: SocketPathOptions = {},
): Promise<ClaimedPath> {
  const { platform = process.platform, maxPathBytes = LOCAL_BOUNDS.socketPathBytes, name = CONTROL_NAME } = options;
  await removePointer(folder, name);
  const plain = join(resolve(folder), socketFile(name));
  if (platform !== 'win32' && Buffer.byteLength(plain) <= maxPathBytes) {
    return { path: plain, release: async () => undefined };
  }
  const path = platform === 'win32' ? pipeName(random) : join(await makeShortFolder(), socketFile(name));
  await writeFileAtomically(join(folder, pointerFile(name)), path);
  return { path, release: () => removePointer(folder, name) };
}

function socketFile(name: string): string {
  return `${name}.sock`;
}

function pointerFile(name: string): string {
  return `${name}-path`;
}

function pipeName(random: Random): string {
  return `\\\\.\\pipe\\rozan-${random.bytes(PIPE_NAME_BYTES).toString('hex')}`;
}

/** A temporary folder's own path may be long (macOS), and the short one closed to this user. */
async function makeShortFolder(): Promise<string> {
  const path = await mkdtemp(join(SHORT_FOLDER, 'rozan-')).catch(() => mkdtemp(join(tmpdir(), 'rozan-')));
  await chmod(path, 0o700);
  return path;
}

/** Where the control socket of the relay in `folder` is, if one runs there. Throws `folder-not-private`. */
export async function findSocketPath(folder: string): Promise<string> {
  return (await readPointer(folder, CONTROL_NAME)) ?? join(resolve(folder), socketFile(CONTROL_NAME));
}
