import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ControlError } from '../control-error.ts';
import { type Database, isUnreachable, type Queries, sql, sqlState } from './database.ts';

const FOLDER = join(import.meta.dirname, '..', 'db', 'migrations');
const FILE_NAME = /^(\d{4})-[a-z0-9-]+\.sql$/;
/** Names the lock under which one control plane at a time migrates; any number that nobody else of the database uses. */
const LOCK = 7_245_110_962;

/** A file of statements that turns one version of the database into the next. */
interface Migration {
  readonly version: number;
  readonly text: string;
}

async function readMigrations(): Promise<readonly Migration[]> {
  const names = (await readdir(FOLDER)).filter((name) => FILE_NAME.test(name)).sort();
  return Promise.all(
    names.map(async (name) => ({
      version: Number(name.slice(0, 4)),
      text: await readFile(join(FOLDER, name), 'utf8'),
    })),
  );
}

/** The version of the database; 0 if it is empty. */
export async function databaseVersion(queries: Queries): Promise<number> {
  const found = await queries.first<{ exists: boolean }>(sql`select to_regclass('migrations') is not null as exists`);
  if (found?.exists !== true) return 0;
  const row = await queries.first<{ version: number | null }>(sql`select max(version) as version from migrations`);
  return row?.version ?? 0;
}

/**
 * Brings a database up to a version inside of a transaction; to the latest one if none is said. Others that would do the same wait until it has ended.
 * Throws `database-too-new`.
 */
export async function migrateWithin(queries: Queries, upTo = Number.POSITIVE_INFINITY): Promise<void> {
  const migrations = await readMigrations();
  await queries.run(sql`set local lock_timeout = 0`);
  await queries.run(sql`select pg_advisory_xact_lock(${LOCK})`);
  const version = await databaseVersion(queries);
  const latest = migrations.at(-1)?.version ?? 0;
  if (version > latest || (Number.isFinite(upTo) && upTo > latest)) {
    throw new ControlError('database-too-new', 'the database was written by a later version', {
      remedy: 'Update this control plane.',
    });
  }
  if (version === 0) await queries.run(sql`create table if not exists migrations (version integer primary key)`);
  for (const migration of migrations) {
    if (migration.version <= version || migration.version > upTo) continue;
    await queries.run({ text: migration.text, values: [] });
    await queries.run(sql`insert into migrations values (${migration.version})`);
  }
}

/** Brings a database up to date, whoever else does at the same time. Throws `database-too-new`, and `database-failed` where it cannot be used. */
export async function migrate(database: Database): Promise<void> {
  try {
    await database.transaction((queries) => migrateWithin(queries));
  } catch (cause) {
    if (!(cause instanceof Error) || (!isUnreachable(cause) && !/^(28|3D|42501)/.test(sqlState(cause) ?? '')))
      throw cause;
    throw new ControlError('database-failed', `the database cannot be used: ${cause.message}`, {
      cause,
      remedy: 'See whether DATABASE_URL names a database that is up, and a user that owns it.',
    });
  }
}
