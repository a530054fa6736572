import assert from 'node:assert/strict';
import { test } from 'node:test';
import { apiTests, type TestApi } from '../testing/test-api.ts';
import { enrolTestRelay, TEST_REPORT } from '../testing/test-relay.ts';
import { readBackup, TABLES, writeBackup } from './backup.ts';
import { type Database, sql } from './database.ts';
import { databaseVersion } from './migrate.ts';

const apiTest = apiTests();
const ENTRY_KEY = Buffer.alloc(32, 9);

async function fill(api: TestApi): Promise<string> {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'c', buckets: 3, note: 'für alle' } });
  for (const number of [1, 2]) {
    const { name, credential } = await enrolTestRelay(api, number, { as, channels: ['c'] });
    await api.ok('POST', `/relays/${name}/test`, { as, body: { passed: true } });
    await api.ok('POST', `/relays/${name}/serve`, { as });
    await api.ok('POST', '/relays/report', { as: credential, body: TEST_REPORT });
  }
  await api.ok('PUT', '/relays/relay-1/burns/IR', { as });
  await api.ok('POST', '/accounts', { as, body: { name: 'ann', role: 'partner' } });
  return as;
}

async function linesOf(database: Database): Promise<string[]> {
  const lines: string[] = [];
  await writeBackup(database, {
    entryKey: ENTRY_KEY,
    write: async (line) => {
      lines.push(line);
    },
  });
  return lines;
}

async function* each(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

async function restore(database: Database, lines: readonly string[]): Promise<Buffer | null> {
  let key: Buffer | null = null;
  await readBackup(database, {
    lines: each(lines),
    onEntryKey: async (given) => {
      key = given;
    },
  });
  return key;
}

apiTest('a backup makes another database the same, and it goes on from there', async (api) => {
  await fill(api);
  const lines = await linesOf(api.database);
  const other = await api.emptyDatabase();
  assert.deepEqual(await restore(other, lines), ENTRY_KEY);
  assert.deepEqual(await linesOf(other), lines);
  await other.run(sql`insert into audit (at, actor, action, subject, details) values (now(), 'a', 'b', 'c', '{}')`);
  await assert.rejects(restore(other, lines), { code: 'backup-refused' });
  assert.equal((await linesOf(other)).length, lines.length + 1);
});

apiTest('a backup that is cut or changed is refused, and the database stays empty', async (api) => {
  await fill(api);
  const lines = await linesOf(api.database);
  const other = await api.emptyDatabase();
  const cut = [0, 1, 5, lines.length - 1].map((count) => lines.slice(0, count));
  const changed = [
    ['{}', ...lines.slice(1)],
    lines.toSpliced(3, 1),
    lines.toSpliced(3, 1, '{"table":"pg_authid","row":{}}'),
    lines.toSpliced(3, 1, 'not json'),
    lines.map((line) => line.replace(/"schema":[0-9]+/, '"schema":900')),
  ];
  for (const broken of [...cut, ...changed]) {
    await assert.rejects(restore(other, broken), (error: { code?: unknown }) =>
      /^(backup-refused|database-too-new)$/.test(String(error.code)),
    );
    assert.equal(await databaseVersion(other), 0);
  }
  assert.deepEqual(await restore(other, lines), ENTRY_KEY);
});

apiTest('all tables are in a backup', async (api) => {
  const tables = await api.database.rows<{ name: string }>(
    sql`select table_name as name from information_schema.tables where table_schema = 'public' order by 1`,
  );
  assert.deepEqual(
    tables.map(({ name }) => name),
    // What is due to be published is known again from the rest.
    [...TABLES, 'migrations', 'publication_changes'].sort(),
  );
});

test('no table stands before one that it refers to', () => {
  assert.ok(TABLES.indexOf('accounts') < TABLES.indexOf('sessions'));
  assert.ok(TABLES.indexOf('relays') < TABLES.indexOf('access_secrets'));
});
