import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRelayField } from './testing/relay-field.ts';

const regionOf = (index: number) => (index % 10 === 0 ? 'NL' : 'DE');
const inUse = ({ pool }: { pool: { sessions: readonly { dialer: { entry: { region?: string | undefined } } }[] } }) =>
  pool.sessions.map(({ dialer }) => dialer.entry.region);

test('relays of the region that is wanted are tried before all others', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    const kinds = Array.from({ length: 40 }, () => 'works' as const);
    await using field = await createRelayField({ kinds, seed, regionOf, region: () => 'NL' });
    await field.timeToSession(60_000);
    assert.deepEqual(inUse(field), ['NL']);
  }
});

test('where none of them works, another is found all the same', async () => {
  const kinds = Array.from(
    { length: 40 },
    (_, index) => (regionOf(index) === 'NL' ? 'silent' : 'works') as 'silent' | 'works',
  );
  await using field = await createRelayField({ kinds, regionOf, region: () => 'NL' });
  await field.timeToSession(60_000);
  assert.deepEqual(inUse(field), ['DE']);
});

test('a wish for a region of which no relay is known changes nothing', async () => {
  const kinds = Array.from({ length: 40 }, () => 'works' as const);
  const dialsWith = async (region: string | null) => {
    await using field = await createRelayField({ kinds, seed: 5, regionOf, region: () => region });
    await field.timeToSession(60_000);
    return field.dials;
  };
  assert.deepEqual(await dialsWith('FR'), await dialsWith(null));
});

test('a new wish has new streams go through a relay of that region, and the session before stays while it is used', async () => {
  let region: string | null = 'DE';
  const kinds = Array.from({ length: 40 }, () => 'works' as const);
  await using field = await createRelayField({ kinds, regionOf, region: () => region });
  await field.timeToSession(60_000);
  assert.deepEqual(inUse(field), ['DE']);
  region = 'NL';
  field.pool.leave(({ entry }) => entry.region !== 'NL');
  assert.equal(field.pool.isLive(), true);
  await field.clock.advance(5_000);
  assert.equal(inUse(field).at(-1), 'NL');
});

test('where a large region is blocked, the others do not wait for the end of it', async () => {
  const kinds = Array.from({ length: 300 }, (_, index) => (index < 290 ? 'silent' : 'works') as 'silent' | 'works');
  for (let seed = 1; seed <= 5; seed += 1) {
    const tactics = { raceWidth: 4, wideRaceWidth: 8 };
    const regionOfMany = (index: number) => (index < 290 ? 'NL' : 'DE');
    await using field = await createRelayField({ kinds, seed, tactics, regionOf: regionOfMany, region: () => 'NL' });
    await field.timeToSession(60_000);
    const triedBefore = new Set(field.dials.map(({ relay }) => relay).filter((relay) => relay < 290));
    assert.deepEqual(inUse(field), ['DE']);
    assert.ok(triedBefore.size >= 24 && triedBefore.size < 290, String(triedBefore.size));
  }
});
