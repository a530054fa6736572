import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { isMove, isPublished, moveRelay, RELAY_STATES, type RelayLife, type RelayMove } from './life-cycle.ts';

const DAY = 86_400_000;
const NEW: RelayLife = { state: 'new', window: null };

function after(...moves: readonly (RelayMove | number)[]): RelayLife | null {
  let life: RelayLife | null = NEW;
  let nowMs = 0;
  for (const move of moves) {
    if (typeof move === 'number') nowMs = move;
    life = life === null ? null : moveRelay(life, typeof move === 'number' ? { kind: 'time' } : move, nowMs);
  }
  return life;
}

const PASS: RelayMove = { kind: 'test', hasPassed: true };
const SERVE: RelayMove = { kind: 'serve' };
const WINDOW = { fromMs: 10 * DAY, untilMs: 20 * DAY };
const DISCOVER: RelayMove = { kind: 'discover', window: WINDOW };

test('the whole life of a relay', () => {
  assert.equal(after(SERVE), null, 'a relay serves after its test only');
  assert.deepEqual(after(PASS), { state: 'tested', window: null });
  assert.deepEqual(after(PASS, SERVE, DISCOVER), { state: 'serving', window: WINDOW });
  assert.deepEqual(after(PASS, SERVE, DISCOVER, 10 * DAY), { state: 'discoverable', window: WINDOW });
  assert.deepEqual(after(PASS, SERVE, DISCOVER, 20 * DAY), { state: 'serving', window: null });
  assert.deepEqual(after(PASS, SERVE, DISCOVER, 10 * DAY, { kind: 'drain' }), { state: 'drained', window: null });
  assert.deepEqual(after(PASS, SERVE, { kind: 'drain' }, SERVE), { state: 'serving', window: null });
  assert.equal(after(PASS, SERVE, { kind: 'retire' }), null, 'a relay is drained before it is retired');
  assert.deepEqual(after(PASS, SERVE, { kind: 'drain' }, { kind: 'retire' }), { state: 'retired', window: null });
});

test('a failed test takes a relay back; a window that is over, or ends before it begins, is refused', () => {
  assert.deepEqual(after(PASS, { kind: 'test', hasPassed: false }), NEW);
  assert.equal(after(PASS, SERVE, 20 * DAY, DISCOVER), null);
  assert.equal(after(PASS, SERVE, { kind: 'discover', window: { fromMs: 5, untilMs: 5 } }), null);
});

const anyMove: fc.Arbitrary<RelayMove> = fc.oneof(
  fc.record({ kind: fc.constant('test' as const), hasPassed: fc.boolean() }),
  fc.constantFrom(...(['serve', 'hide', 'drain', 'retire', 'time'] as const)).map((kind) => ({ kind })),
  fc.tuple(fc.nat(100), fc.nat(100)).map(([fromMs, untilMs]) => ({
    kind: 'discover' as const,
    window: { fromMs, untilMs },
  })),
);

test('whatever happens: windows belong to serving relays, the retired stay so, and time changes nothing twice', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyMove, fc.nat(20)), { maxLength: 40 }), (moves) => {
      let life = NEW;
      let nowMs = 0;
      for (const [move, passedMs] of moves) {
        nowMs += passedMs;
        const next = moveRelay(life, move, nowMs);
        if (life.state === 'retired' && move.kind !== 'time') assert.equal(next, null);
        if (next === null) continue;
        life = next;
        if (life.window !== null) assert.ok(isPublished(life));
        const settled = moveRelay(life, { kind: 'time' }, nowMs);
        assert.ok(settled !== null);
        assert.deepEqual(moveRelay(settled, { kind: 'time' }, nowMs), settled);
        if (settled.state === 'discoverable') {
          assert.ok(settled.window !== null && settled.window.fromMs <= nowMs && nowMs < settled.window.untilMs);
        }
      }
    }),
  );
});

test('every state can be reached, and every one but the last can be left', () => {
  for (const state of RELAY_STATES) {
    const ways = (['test', 'serve', 'discover', 'hide', 'drain', 'retire'] as const).filter((kind) =>
      isMove(state, kind),
    );
    assert.equal(ways.length === 0, state === 'retired');
  }
});
