import assert from 'node:assert/strict';
import { EventEmitter, once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { createEnv } from '@rozan/tunnel';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { openDatabase, sql } from './database.ts';
import { connectToEmbedded, openEmbeddedPostgres } from './embedded-postgres.ts';

/** Longer than the path of a socket may be. */
const LONG_NAME = 'a-folder-with-a-name-that-is-rather-long-and-goes-on'.repeat(3);

test('a database comes back after kill -9 of its postmaster, with all that was committed, below a long private path', async (context) => {
  const folder = join(await temporaryFolder(context), LONG_NAME);
  const events = new EventEmitter();
  const env = createEnv({ log: ({ event }) => void events.emit(event) });
  await using postgres = await openEmbeddedPostgres(env, { folder, isSynced: false });
  await using database = openDatabase(postgres.address, () => {});
  await database.run(sql`create table kept (number integer)`);
  for (let number = 0; number < 3; number += 1) {
    await database.run(sql`insert into kept values (${number})`);
    const back = once(events, 'database.back');
    process.kill(postgres.pid, 'SIGKILL');
    await back;
    const rows = await database.rows<{ number: number }>(sql`select number from kept order by 1`).catch(() =>
      // the pool may try a connection of before once
      database.rows<{ number: number }>(sql`select number from kept order by 1`),
    );
    assert.equal(rows.length, number + 1);
  }
  await using door = await connectToEmbedded(folder);
  await using other = openDatabase(door.address, () => {});
  assert.equal((await other.rows(sql`select * from kept`)).length, 3);
});

test('a transaction is all or nothing, and is begun again when another was in its way', async (context) => {
  const folder = await temporaryFolder(context);
  await using postgres = await openEmbeddedPostgres(createEnv({ log: () => {} }), { folder, isSynced: false });
  await using database = openDatabase(postgres.address, () => {});
  await database.run(sql`create table counters (id integer primary key, n integer not null)`);
  await database.run(sql`insert into counters values (1, 0), (2, 0)`);
  await assert.rejects(
    database.transaction(async (queries) => {
      await queries.run(sql`update counters set n = 100`);
      throw new Error('no');
    }),
  );
  // Each pair takes the same two rows in opposite order: without another try one of them would fail.
  const add = (first: number, second: number) =>
    database.transaction(async (queries) => {
      await queries.run(sql`update counters set n = n + 1 where id = ${first}`);
      await queries.run(sql`update counters set n = n + 1 where id = ${second}`);
    });
  await Promise.all([add(1, 2), add(2, 1), add(1, 2), add(2, 1)]);
  assert.deepEqual(await database.rows(sql`select n from counters order by id`), [{ n: 4 }, { n: 4 }]);
});
