import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { AdaptivePlan, CANARY_REACH } from './carrier-plan.ts';
import { LimitFinder } from './limit-finder.ts';

/** What cuts connections. */
interface Weather {
  /** The mean of an exponential age, milliseconds: resets that have no cause in the connection. */
  readonly meanMs: number;
  /** The age at which somebody cuts each, at this time. */
  readonly cutAt?: (nowMs: number) => number;
}

const BYTES_PER_MS = 50;

const never = () => Number.POSITIVE_INFINITY;

/** One carrier after the other under a plan that adapts; yields after each what is believed and how long it was. */
function* live(seed: number, { meanMs, cutAt = never }: Weather, durationMs: number) {
  const random = new SeededRandom(seed);
  const finder = new LimitFinder();
  const plan = new AdaptivePlan(random, { finder });
  for (let nowMs = 0; nowMs < durationMs; ) {
    const bornMs = nowMs;
    const before = finder.found;
    const limits = plan.draw(nowMs);
    const deathMs = Math.min(-meanMs * Math.log(1 - random.fraction()), cutAt(bornMs));
    // What goes over one varies a lot from one to the next.
    const rate = BYTES_PER_MS * 4 ** (2 * random.fraction() - 1);
    const replacedMs = Math.min(limits.ageMs, limits.bytes / rate);
    const isFoul = deathMs < replacedMs;
    nowMs += Math.max(1, Math.min(deathMs, replacedMs));
    yield { ageMs: before.ageMs, bytes: before.bytes, lastedMs: nowMs - bornMs, isFoul };
    if (!isFoul && replacedMs === limits.ageMs && plan.wantsCanary(nowMs)) {
      const reachMs = CANARY_REACH * (finder.found.ageMs ?? 0);
      plan.noteCanary(deathMs < reachMs ? { alive: deathMs, dead: deathMs } : { alive: reachMs, dead: null });
      continue;
    }
    const age = Math.min(deathMs, replacedMs);
    const end = { bornMs, ageMs: age, deadAgeMs: age, bytes: age * rate, limits };
    plan.noteEnd({ ...end, cause: isFoul ? 'reset' : 'retired' }, nowMs);
  }
}

const HALF_HOUR_MS = 1_800_000;
const SEEDS = Array.from({ length: 60 }, (_none, seed) => seed + 1);

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

/** What became of an hour in which each connection is cut at an age. */
function learn(seed: number, weather: Weather) {
  const result = { cutsUntilFound: 0, withoutMs: 0, lastFoundMs: null as number | null };
  let isFound = false;
  for (const { ageMs, lastedMs, isFoul } of live(seed, weather, 2 * HALF_HOUR_MS)) {
    isFound ||= ageMs !== null;
    if (isFoul && !isFound) result.cutsUntilFound += 1;
    if (isFound && ageMs === null) result.withoutMs += lastedMs;
    result.lastFoundMs = ageMs;
  }
  return result;
}

describe('an adaptive plan in weather without a cause', () => {
  for (const meanMs of [4000, 20_000, 90_000]) {
    it(`does not stay with limits that are chance: a reset every ${meanMs / 1000} s`, () => {
      const shares = SEEDS.map((seed) => {
        let crampedMs = 0;
        for (const { ageMs, bytes, lastedMs } of live(seed, { meanMs }, HALF_HOUR_MS)) {
          const isCramped =
            (ageMs ?? Number.POSITIVE_INFINITY) < meanMs / 4 ||
            (bytes ?? Number.POSITIVE_INFINITY) < (meanMs * BYTES_PER_MS) / 4;
          if (isCramped) crampedMs += lastedMs;
        }
        return crampedMs / HALF_HOUR_MS;
      });
      assert.ok(median(shares) < 0.05, `${median(shares)} of the time`);
      assert.ok(Math.max(...shares) < 0.3, `${Math.max(...shares)} of the time`);
    });
  }
});

describe('an adaptive plan where carriers are cut at an age', () => {
  it('finds it after three cuts, and keeps it', () => {
    for (const seed of SEEDS) {
      const limitMs = 20_000 + 1000 * seed;
      const { cutsUntilFound, withoutMs, lastFoundMs } = learn(seed, { meanMs: never(), cutAt: () => limitMs });
      assert.equal(cutsUntilFound, 3);
      assert.equal(withoutMs, 0);
      assert.ok(lastFoundMs !== null && lastFoundMs > 0.9 * limitMs && lastFoundMs < limitMs);
    }
  });

  it('finds and keeps it, with resets at random among the cuts', () => {
    const results = SEEDS.map((seed) => learn(seed, { meanMs: 120_000, cutAt: () => 20_000 + 1000 * seed }));
    assert.ok(median(results.map(({ cutsUntilFound }) => cutsUntilFound)) <= 6);
    assert.ok(median(results.map(({ withoutMs }) => withoutMs)) < 60_000);
  });

  it('follows it down, and lets go of it when nobody cuts any more', () => {
    for (const seed of SEEDS) {
      const down = (nowMs: number) => (nowMs < HALF_HOUR_MS ? 60_000 : 25_000);
      const { lastFoundMs } = learn(seed, { meanMs: never(), cutAt: down });
      assert.ok(lastFoundMs !== null && lastFoundMs <= 25_000);
    }
    // One canary in fifty carriers, and two have to live.
    const lifted = (nowMs: number) => (nowMs < HALF_HOUR_MS / 2 ? 5000 : never());
    const left = SEEDS.filter((seed) => learn(seed, { meanMs: never(), cutAt: lifted }).lastFoundMs !== null);
    assert.ok(left.length <= SEEDS.length / 10, `${left.length} of ${SEEDS.length}`);
  });
});
