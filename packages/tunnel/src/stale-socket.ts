import { lstat, mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import type { Duplex } from 'node:stream';
import { TunnelError } from './errors.ts';

/** After this a turn, which takes milliseconds, is that of a program that was killed in it. */
const FORGOTTEN_TURN_MS = 10_000;

/** What is done about a socket file that is there already. */
export interface StaleSocketOptions<Started> {
  readonly path: string;
  /** What is thrown when the file is in use. */
  readonly inUse: TunnelError;
  /** Connects to it, or gives the error. */
  readonly dial: () => Promise<Duplex | TunnelError>;
  /** Listens there. */
  readonly start: () => Promise<Started>;
}

/**
 * Starts in place of a socket file that its program has left behind; throws `inUse` if the file is something else or somebody answers on
 * it. Of several that find the same file one at a time may replace it: another would remove the socket that has just taken its place.
 */
export async function inPlaceOfStaleSocket<Started>(options: StaleSocketOptions<Started>): Promise<Started> {
  const turn = `${options.path}.turn`;
  if (!(await takeTurn(turn))) throw options.inUse;
  try {
    await removeStaleSocket(options);
    return await options.start();
  } finally {
    await rmdir(turn).catch(() => {});
  }
}

async function takeTurn(turn: string): Promise<boolean> {
  if (await makeFolder(turn)) return true;
  if ((await ageOf(turn)) < FORGOTTEN_TURN_MS) return false;
  await rmdir(turn).catch(() => {});
  return makeFolder(turn);
}

/** By the clock of the file system; 0 if that cannot be told. */
async function ageOf(path: string): Promise<number> {
  const mark = await mkdtemp(`${path}-`).catch(() => null);
  if (mark === null) return 0;
  try {
    const [then, now] = await Promise.all([lstat(path), lstat(mark)]);
    return now.mtimeMs - then.mtimeMs;
  } catch {
    return 0;
  } finally {
    await rmdir(mark).catch(() => {});
  }
}

function makeFolder(path: string): Promise<boolean> {
  return mkdir(path, { mode: 0o700 }).then(
    () => true,
    () => false,
  );
}

async function removeStaleSocket({ path, inUse, dial }: StaleSocketOptions<unknown>): Promise<void> {
  const conn = await dial();
  if (!(conn instanceof TunnelError)) {
    conn.destroy();
    throw inUse;
  }
  const isSocket = await lstat(path).then(
    (stats) => stats.isSocket(),
    () => true,
  );
  if (conn.code !== 'refused' || !isSocket) throw inUse;
  await rm(path, { force: true });
}
