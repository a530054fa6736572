import { chmod, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Random } from '@rozan/tunnel';
import { readPrivateFile, writeFileAtomically } from '../data-folder/private-files.ts';
import { LOCAL_BOUNDS } from '../limits/constants.ts';

const SOCKET_FILE = 'control.sock';
const POINTER_FILE = 'control-path';
const MAX_POINTER_BYTES = 512;
const PIPE_NAME_BYTES = 16;

/** Where short paths can always be had. */
const SHORT_FOLDER = '/tmp';

/** The paths that `claimSocketPath` makes there. */
const SHORT_PATH = /^\/tmp\/rozan-[A-Za-z0-9]{6}\/control\.sock$/;

/** What `claimSocketPath` may be told, for tests. */
export interface SocketPathOptions {
  readonly platform?: NodeJS.Platform | undefined;
  readonly maxPathBytes?: number | undefined;
}

/** A path for the control socket, claimed by the one relay that has the folder locked. */
export interface ClaimedPath {
  readonly path: string;
  /** Removes what was made for it. */
  release(): Promise<void>;
}

async function readPointer(folder: string): Promise<string | null> {
  return (await readPrivateFile(join(folder, POINTER_FILE), MAX_POINTER_BYTES))?.toString() ?? null;
}

/** Removes what a killed relay has left behind: the pointer, and the short folder that it points into. */
async function removePointer(folder: string): Promise<void> {
  const path = await readPointer(folder);
  if (path !== null && SHORT_PATH.test(path)) {
    await rm(path, { force: true });
    // Only an empty folder is removed: whatever else is in it is none of ours.
    await rmdir(dirname(path)).catch(() => undefined);
  }
  await rm(join(folder, POINTER_FILE), { force: true });
}

/**
 * Chooses where the control socket of the relay in `folder` is. Systems take short paths only; if the folder's is too long, the socket goes
 * into a new folder of mode 0700 under /tmp, and a file in the relay's folder says where. Windows has named pipes instead: there the name is
 * random, and known only to who may read that file.
 */
export async function claimSocketPath(
  random: Random,
  folder: string,
  options: SocketPathOptions = {},
): Promise<ClaimedPath> {
  const { platform = process.platform, maxPathBytes = LOCAL_BOUNDS.socketPathBytes } = options;
  await removePointer(folder);
  const plain = join(resolve(folder), SOCKET_FILE);
  if (platform !== 'win32' && Buffer.byteLength(plain) <= maxPathBytes) {
    return { path: plain, release: async () => undefined };
  }
  const path = platform === 'win32' ? pipeName(random) : join(await makeShortFolder(), SOCKET_FILE);
  await writeFileAtomically(join(folder, POINTER_FILE), path);
  return { path, release: () => removePointer(folder) };
}

function pipeName(random: Random): string {
  return `\\\\.\\pipe\\rozan-${random.bytes(PIPE_NAME_BYTES).toString('hex')}`;
}

async function makeShortFolder(): Promise<string> {
  const path = await mkdtemp(join(SHORT_FOLDER, 'rozan-'));
  await chmod(path, 0o700);
  return path;
}

/** Where the control socket of the relay in `folder` is, if one runs there. Throws `folder-not-private`. */
export async function findSocketPath(folder: string): Promise<string> {
  return (await readPointer(folder)) ?? join(resolve(folder), SOCKET_FILE);
}
