import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeReplayEntries, encodeReplayEntry, ReplayMemory, type ReplayMemoryOptions } from './replay-memory.ts';

const START_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

function replayId(number: number): Buffer {
  const id = Buffer.alloc(16, 0xa5);
  id.writeUInt32BE(number);
  return id;
}

function setUp(options: Partial<ReplayMemoryOptions> = {}) {
  const memory = new ReplayMemory({ startMs: START_MS, ...options });
  const check = (number: number, synced: boolean, { nowMs, stampMs = nowMs }: { nowMs: number; stampMs?: number }) =>
    memory.check({ channelId: 'one', replayId: replayId(number), synced, stampMs, nowMs });
  return { memory, check };
}

test('a synced flight is fresh once within 90 s of its stamp, and then replayed or stale', () => {
  const { check } = setUp();
  const nowMs = START_MS + HOUR_MS;
  assert.deepEqual(check(1, true, { nowMs }), { kind: 'fresh', persist: null });
  assert.equal(check(1, true, { nowMs }).kind, 'replayed');
  assert.equal(check(1, true, { nowMs: nowMs + 90_000, stampMs: nowMs }).kind, 'replayed');
  assert.equal(check(1, true, { nowMs: nowMs + 90_001, stampMs: nowMs }).kind, 'stale');
  assert.equal(check(2, true, { nowMs, stampMs: nowMs + 90_000 }).kind, 'fresh');
  assert.equal(check(3, true, { nowMs, stampMs: nowMs + 90_001 }).kind, 'stale');
});

test('after a start, synced flights stamped before it are refused', () => {
  const { check } = setUp();
  assert.equal(check(1, true, { nowMs: START_MS + 1000, stampMs: START_MS - 1 }).kind, 'stale');
  assert.equal(check(1, true, { nowMs: START_MS + 1000, stampMs: START_MS }).kind, 'fresh');
});

test('no synced flight is ever accepted twice, however the clock jumps', () => {
  const step = fc.record({
    number: fc.nat(5),
    stampOffset: fc.integer({ min: -120_000, max: 120_000 }),
    jumpMs: fc.oneof(fc.nat(30_000), fc.integer({ min: -2 * HOUR_MS, max: 2 * HOUR_MS })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const { check } = setUp();
      const accepted = new Set<number>();
      const stamps = new Map<number, number>();
      let nowMs = START_MS + HOUR_MS;
      for (const { number, stampOffset, jumpMs } of steps) {
        nowMs += jumpMs;
        const stampMs = stamps.get(number) ?? nowMs + stampOffset;
        stamps.set(number, stampMs);
        if (check(number, true, { nowMs, stampMs }).kind !== 'fresh') continue;
        assert.ok(!accepted.has(number));
        accepted.add(number);
      }
    }),
  );
});

test('an unsynced flight is accepted within 12 h, handed out to be stored, and remembered 25 h', () => {
  const { memory, check } = setUp();
  const nowMs = START_MS;
  const verdict = check(1, false, { nowMs, stampMs: nowMs - 12 * HOUR_MS });
  assert.deepEqual(verdict, { kind: 'fresh', persist: { replayId: replayId(1), receivedMs: nowMs } });
  assert.equal(check(2, false, { nowMs, stampMs: nowMs - 12 * HOUR_MS - 1 }).kind, 'stale');
  assert.equal(check(3, false, { nowMs, stampMs: nowMs + 12 * HOUR_MS }).kind, 'fresh');
  assert.equal(check(3, false, { nowMs: nowMs + 24 * HOUR_MS, stampMs: nowMs + 12 * HOUR_MS }).kind, 'replayed');
  assert.equal(memory.size, 2);
  assert.equal(check(4, false, { nowMs: nowMs + 27 * HOUR_MS }).kind, 'fresh');
  assert.equal(memory.size, 1);
});

test('a restart with the stored entries forgets nothing that could still be replayed', () => {
  const nowMs = START_MS;
  const first = setUp();
  const stored = [1, 2].map((number) => {
    const verdict = first.check(number, false, { nowMs: nowMs + number });
    assert.ok(verdict.kind === 'fresh' && verdict.persist !== null);
    return encodeReplayEntry(verdict.persist);
  });
  const file = Buffer.concat([...stored, Buffer.from('torn')]);
  const entries = decodeReplayEntries(file);
  assert.equal(entries.length, 2);

  const second = setUp({ startMs: nowMs + HOUR_MS });
  second.memory.restore(entries, nowMs + HOUR_MS);
  second.memory.restore(entries, nowMs + HOUR_MS);
  assert.equal(second.memory.size, 2);
  assert.equal(second.check(1, false, { nowMs: nowMs + HOUR_MS, stampMs: nowMs }).kind, 'replayed');
  assert.deepEqual(
    [...second.memory.persistent()].map((entry) => entry.replayId),
    [replayId(1), replayId(2)],
  );

  const third = setUp({ startMs: nowMs + 40 * HOUR_MS });
  third.memory.restore(entries, nowMs + 40 * HOUR_MS);
  assert.equal(third.memory.size, 0);
});

test('when it is full it refuses, and forgets only what is too old to be replayed', () => {
  const { memory, check } = setUp({ syncedCapacity: 3 });
  const nowMs = START_MS;
  for (const number of [1, 2, 3]) assert.equal(check(number, true, { nowMs }).kind, 'fresh');
  assert.equal(check(4, true, { nowMs }).kind, 'full');
  assert.equal(check(1, true, { nowMs }).kind, 'replayed');
  assert.equal(check(4, true, { nowMs: nowMs + 3 * MINUTE_MS }).kind, 'full');
  assert.equal(check(4, true, { nowMs: nowMs + 3 * MINUTE_MS + 1 }).kind, 'fresh');
  assert.equal(memory.size, 1);
});

test('unsynced flights are capped and rate-limited by channel, apart from synced ones', () => {
  const nowMs = START_MS;
  const { memory, check } = setUp({ unsyncedBurst: 2, unsyncedPerSecond: 1, unsyncedCapacity: 5 });
  assert.deepEqual(
    [1, 2, 3].map((number) => check(number, false, { nowMs }).kind),
    ['fresh', 'fresh', 'full'],
  );
  assert.equal(check(3, false, { nowMs: nowMs + 1000 }).kind, 'fresh');
  assert.equal(check(4, false, { nowMs: nowMs - 5000 }).kind, 'full', 'a clock set back earns nothing');
  assert.equal(check(4, true, { nowMs }).kind, 'fresh');
  const other = { channelId: 'two', synced: false, stampMs: nowMs, nowMs: nowMs + 1000 };
  assert.equal(memory.check({ ...other, replayId: replayId(5) }).kind, 'fresh');
  assert.equal(memory.check({ ...other, replayId: replayId(6) }).kind, 'fresh');
  assert.equal(check(7, false, { nowMs: nowMs + HOUR_MS }).kind, 'full', 'the capacity is shared');
  assert.throws(() => memory.check({ ...other, replayId: Buffer.alloc(15) }), { code: 'out-of-bounds' });
});
