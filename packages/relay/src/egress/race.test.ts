import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { interleaveFamilies, raceConnect } from './race.ts';
import { FakeNetwork } from './testing/fake-network.ts';

function setUp() {
  const clock = new ManualClock();
  const network = new FakeNetwork(clock);
  const caller = new AbortController();
  const race = (literals: readonly string[]) =>
    raceConnect(clock, literals, {
      attempt: (host, signal) => network.dial({ host, port: 443 }, { signal }),
      staggerMs: 250,
      signal: caller.signal,
    });
  return { clock, network, caller, race };
}

test('families take turns, beginning with the first address', () => {
  assert.deepEqual(interleaveFamilies(['6::1', '6::2', '6::3', '4.1', '4.2', '6::1']), [
    '6::1',
    '4.1',
    '6::2',
    '4.2',
    '6::3',
  ]);
  assert.deepEqual(interleaveFamilies(['4.1', '6::1']), ['4.1', '6::1']);
  assert.deepEqual(interleaveFamilies([]), []);
  const literal = fc.tuple(fc.boolean(), fc.nat()).map(([six, number]) => (six ? `::${number}` : `0.${number}`));
  fc.assert(
    fc.property(fc.array(literal), (literals) => {
      assert.deepEqual([...interleaveFamilies(literals)].sort(), [...new Set(literals)].sort());
    }),
  );
});

test('a second address is tried after the stagger, and the loser is let go', async () => {
  const { clock, network, race } = setUp();
  network.outcomes.set('a', { kind: 'hang' });
  network.outcomes.set('b', { kind: 'connect', afterMs: 10 });
  const conn = await clock.runUntil(race(['a', 'b', 'c']), 1_000);
  assert.deepEqual(
    network.dials.map(({ host, atMs, aborted }) => ({ host, atMs, aborted })),
    [
      { host: 'a', atMs: 0, aborted: true },
      { host: 'b', atMs: 250, aborted: true },
    ],
  );
  assert.equal(conn, network.dials[1]?.conn);
  assert.equal(conn.destroyed, false);
  assert.equal(clock.pendingTimers, 0);
});

test('after a failure the next address is tried at once', async () => {
  const { clock, network, race } = setUp();
  network.outcomes.set('a', { kind: 'fail', code: 'refused', afterMs: 20 });
  await clock.runUntil(race(['a', 'b']), 1_000);
  assert.deepEqual(
    network.dials.map((dial) => dial.atMs),
    [0, 20],
  );
});

test('an earlier attempt may still win', async () => {
  const { clock, network, race } = setUp();
  network.outcomes.set('a', { kind: 'connect', afterMs: 300 });
  network.outcomes.set('b', { kind: 'hang' });
  const conn = await clock.runUntil(race(['a', 'b']), 1_000);
  assert.equal(conn, network.dials[0]?.conn);
  assert.equal(network.dials[1]?.aborted, true);
});

test('a loser that connects all the same is destroyed', async () => {
  const { clock, network, race } = setUp();
  network.ignoresAborts = true;
  network.outcomes.set('a', { kind: 'connect', afterMs: 400 });
  network.outcomes.set('b', { kind: 'connect', afterMs: 10 });
  await clock.runUntil(race(['a', 'b']), 1_000);
  await clock.advance(1_000);
  assert.equal(network.dials[0]?.conn?.destroyed, true);
  assert.equal(network.dials[1]?.conn?.destroyed, false);
});

test('when all fail, the answer that says most is given', async () => {
  for (const [codes, resetCode] of [
    [['unreachable', 'refused', 'timed-out'], 'refused'],
    [['unreachable', 'timed-out'], 'timed-out'],
    [['failed', 'unreachable'], 'unreachable'],
    [['failed'], 'unreachable'],
  ] as const) {
    const { clock, network, race } = setUp();
    for (const [index, code] of codes.entries()) network.outcomes.set(`h${index}`, { kind: 'fail', code, afterMs: 5 });
    await assert.rejects(clock.runUntil(race(codes.map((_, index) => `h${index}`)), 1_000), { resetCode });
  }
});

test('an abort ends all attempts and is passed on', async () => {
  const { clock, network, caller, race } = setUp();
  network.outcomes.set('a', { kind: 'hang' });
  network.outcomes.set('b', { kind: 'hang' });
  const raced = race(['a', 'b']);
  raced.catch(() => undefined);
  await clock.advance(300);
  caller.abort(new Error('enough'));
  await assert.rejects(raced, { message: 'enough' });
  assert.deepEqual(
    network.dials.map((dial) => dial.aborted),
    [true, true],
  );
  assert.equal(clock.pendingTimers, 0);
});

test('with a signal that is aborted already, nothing is dialled', async () => {
  const { network, caller, race } = setUp();
  caller.abort(new Error('too late'));
  await assert.rejects(race(['a']), { message: 'too late' });
  assert.equal(network.dials.length, 0);
});
