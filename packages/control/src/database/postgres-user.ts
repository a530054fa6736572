import { execFile } from 'node:child_process';
import { lchown, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ControlError } from '../control-error.ts';

/**
 * Whom the database runs as where the control plane is the superuser: an id that nobody has, so that no other program of that id can read the
 * files. It lies where systemd's table of ids is empty.
 */
const UNPRIVILEGED_ID = 61_055;

/** The ids of a user; for `spawn`. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
}

/** Whether PostgreSQL would refuse to run as the user of this process. */
export function isSuperuser(): boolean {
  return process.getuid?.() === 0;
}

/** Whom a database in `folder` runs as: its owner; null where that is the user of this process. */
export async function ownerOf(folder: string): Promise<UserIds | null> {
  const { uid, gid } = await stat(folder);
  if (uid === process.getuid?.() && uid !== 0) return null;
  if (isSuperuser() && uid !== 0) return { uid, gid };
  throw new ControlError('database-failed', `the database in ${folder} belongs to another user`, {
    remedy: 'Run the control plane as the user that made it, or as root.',
  });
}

/** The ids that a new database is handed to; null where it stays with the user of this process. */
export function newOwner(): UserIds | null {
  return isSuperuser() ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : null;
}

/** `initdb` wants a user with a name. Every system has this one. */
export async function namedUser(): Promise<UserIds> {
  const run = promisify(execFile);
  const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'nobody'])));
  return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) };
}

/** Hands a folder to a user, with all that is in it. */
export async function giveTo(folder: string, { uid, gid }: UserIds): Promise<void> {
  const paths = await readdir(folder, { recursive: true });
  for (const path of paths) await lchown(join(folder, path), uid, gid);
  await lchown(folder, uid, gid);
}
