import assert from 'node:assert/strict';
import { createEnv } from '@rozan/tunnel';
import { sql } from '../database/database.ts';
import { apiTests } from '../testing/test-api.ts';
import { enrolTestRelay } from '../testing/test-relay.ts';
import { moveWindows, startJobs, sweep } from './jobs.ts';

const apiTest = apiTests();
const HOUR = 3_600_000;

apiTest('windows open and end by the clock, and the relay is told', async (api) => {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'c' } });
  const { credential } = await enrolTestRelay(api, 1, { as, channels: ['c'] });
  await api.ok('POST', '/relays/relay-1/test', { as, body: { passed: true } });
  await api.ok('POST', '/relays/relay-1/serve', { as });
  const nowMs = api.clock.wallMs();
  const body = { from: new Date(nowMs + HOUR).toISOString(), until: new Date(nowMs + 2 * HOUR).toISOString() };
  await api.ok('POST', '/relays/relay-1/discover', { as, body });
  const stateAt = async (atMs: number) => {
    await api.database.transaction((queries) => moveWindows(queries, atMs));
    const { state, version } = await api.ok('GET', '/relays/self/settings', { as: credential });
    return { state, version };
  };
  const before = await stateAt(nowMs);
  assert.equal(before.state, 'serving');
  const within = await stateAt(nowMs + HOUR);
  assert.deepEqual(within, { state: 'discoverable', version: before.version + 1 });
  assert.deepEqual(await stateAt(nowMs + HOUR + 1), within);
  assert.deepEqual(await stateAt(nowMs + 2 * HOUR), { state: 'serving', version: before.version + 2 });
});

apiTest('what has run out is swept, and nothing else', async (api) => {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'c' } });
  await api.ok('POST', '/enrolment-tokens', { as, body: { name: 'r', channels: ['c'] } });
  await api.ok('POST', '/accounts', { as, body: { name: 'ann', role: 'analyst' } });
  await api.ok('POST', '/tokens', { as, body: { name: 'short', days: 1 } });
  await api.ok('POST', '/login/passkey/challenge');
  const counts = () =>
    api.database.first<{ links: number; tokens: number; enrolments: number; challenges: number }>(
      sql`select (select count(*) from login_links) as links, (select count(*) from api_tokens) as tokens,
            (select count(*) from enrolment_tokens) as enrolments, (select count(*) from challenges) as challenges`,
    );
  await api.database.transaction((queries) => sweep(queries, api.clock.wallMs()));
  assert.deepEqual(await counts(), { links: 1, tokens: 2, enrolments: 1, challenges: 1 });
  await api.database.transaction((queries) => sweep(queries, api.clock.wallMs() + 24 * HOUR));
  assert.deepEqual(await counts(), { links: 0, tokens: 1, enrolments: 1, challenges: 0 });
});

apiTest('the jobs of two control planes begin and end over one database', async (api) => {
  const env = createEnv({ log: () => {} });
  await using first = await startJobs(env, api.database);
  await using second = await startJobs(env, api.database);
  assert.ok(first !== second);
  const crontab = await api.database.rows<{ identifier: string }>(
    sql`select identifier from graphile_worker._private_known_crontabs order by identifier`,
  );
  assert.deepEqual(
    crontab.map(({ identifier }) => identifier),
    ['sweep', 'windows'],
  );
});
