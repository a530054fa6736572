import { existsSync, globSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEnv } from '@rozan/tunnel';
import { type Database, openDatabase, sql } from '../database/database.ts';
import { openEmbeddedPostgres } from '../database/embedded-postgres.ts';
import { migrate } from '../database/migrate.ts';
import type { PostgresFiles } from '../database/postgres-files.ts';

/** Debian's PostgreSQL, the newest that is installed; null if there is none. */
export function debianPostgres(): PostgresFiles | null {
  const bin = globSync('/usr/lib/postgresql/*/bin').sort().at(-1);
  if (bin === undefined || !existsSync(join(bin, 'postgres'))) return null;
  return { postgres: join(bin, 'postgres'), initdb: join(bin, 'initdb'), staysInFolder: false };
}

/** A PostgreSQL for the tests of one file. */
export interface TestCluster extends AsyncDisposable {
  /** A database of its own for one test, with all tables and nothing in them. The cluster takes it away. */
  create(options?: { readonly isEmpty?: boolean }): Promise<Database>;
  /** As `DATABASE_URL` names one of its databases. */
  url(database: string): string;
}

/** Starts a cluster with a template. `files`: whose PostgreSQL; the one of the packages if nothing is said. */
export async function startTestCluster(files?: PostgresFiles): Promise<TestCluster> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  // Where the tests are root's, PostgreSQL is somebody else's, and has to be able to walk there.
  await mkdir(join(folder, 'postgres'));
  for (const path of [folder, join(folder, 'postgres')]) await chmod(path, 0o711);
  const postgres = stack.use(
    await openEmbeddedPostgres(createEnv({ log: () => {} }), {
      folder: join(folder, 'postgres'),
      files,
      isSynced: false,
    }),
  );
  const open = (database: string): Database => openDatabase({ ...postgres.address, database }, () => {});
  const main = stack.use(open('postgres'));
  await main.run(sql`create database template`);
  await using template = open('template');
  await migrate(template);
  const owned = stack.move();
  let count = 0;
  return {
    create: async ({ isEmpty = false } = {}) => {
      const name = `test_${count++}`;
      await main.run({ text: `create database ${name}${isEmpty ? '' : ' template template'}`, values: [] });
      return owned.use(open(name));
    },
    url: (database) =>
      `postgres://${postgres.address.user}@localhost/${database}?host=${encodeURIComponent(join(folder, 'postgres', 'db'))}`,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
