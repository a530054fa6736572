import { open, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Random } from '@rozan/tunnel';
import {
  createPrivateFolder,
  expectPrivate,
  lockFolder,
  readPrivateFile,
  writeFileAtomically,
} from '@rozan/tunnel/data-folder';
import { createToken } from './http/tokens.ts';

const TOKEN_FILE = 'token';
const SOCKET_FILE = 'control.sock';
const MAX_TOKEN_BYTES = 200;

/** An open data folder, locked against other control planes. */
export interface ControlFolder extends AsyncDisposable {
  /** Absolute. */
  readonly path: string;
  /** By which the command line of this machine is let in. */
  readonly token: string;
  /** Where it reaches the control plane. */
  readonly socketPath: string;
}

/**
 * A path to the socket in a folder. On Linux one that is short, whatever the folder's is: a socket's path is of 107 bytes at most. It holds until the
 * stack is disposed of.
 */
async function shortSocketPath(folder: string, stack: AsyncDisposableStack): Promise<string> {
  if (process.platform !== 'linux') return join(folder, SOCKET_FILE);
  const handle = stack.use(await open(folder, 'r'));
  return `/proc/self/fd/${handle.fd}/${SOCKET_FILE}`;
}

/** Opens the data folder of a control plane, and makes it if need be. Throws a `FolderError`. */
export async function openControlFolder(random: Random, folder: string): Promise<ControlFolder> {
  const path = resolve(folder);
  await using stack = new AsyncDisposableStack();
  await createPrivateFolder(path);
  await expectPrivate(path);
  const lock = await lockFolder(path, 'control plane');
  stack.defer(() => lock.release());
  const kept = await readPrivateFile(join(path, TOKEN_FILE), MAX_TOKEN_BYTES);
  const token = kept?.toString('utf8').trim() || createToken(random, 'api');
  if (kept === null) await writeFileAtomically(join(path, TOKEN_FILE), `${token}\n`);
  const socketPath = await shortSocketPath(path, stack);
  await rm(join(path, `${TOKEN_FILE}.tmp`), { force: true });
  const owned = stack.move();
  return { path, token, socketPath, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** What the command line needs of the folder of a control plane that runs. */
export interface LocalAccess extends AsyncDisposable {
  readonly token: string;
  readonly socketPath: string;
}

/** Looks into the data folder of a control plane without locking it; null where there has never been one. Throws a `FolderError`. */
export async function openLocalAccess(folder: string): Promise<LocalAccess | null> {
  const path = resolve(folder);
  const token = await readPrivateFile(join(path, TOKEN_FILE), MAX_TOKEN_BYTES);
  if (token === null) return null;
  await using stack = new AsyncDisposableStack();
  const socketPath = await shortSocketPath(path, stack);
  const owned = stack.move();
  return { token: token.toString('utf8').trim(), socketPath, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}
