import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { addTallies, quantile, wilson } from './statistics.ts';

test("Wilson's interval has the textbook's values", () => {
  const { low, high } = wilson({ k: 8, n: 10 });
  assert.ok(Math.abs(low - 0.4902) < 1e-4 && Math.abs(high - 0.9433) < 1e-4, `${low} ${high}`);
  assert.ok(Math.abs(wilson({ k: 60, n: 60 }).low - 0.9398) < 1e-4);
  assert.deepEqual(wilson({ k: 0, n: 0 }), { low: 0, high: 1 });
});

test('an interval holds its share, lies within 0 and 1, and mirrors', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.nat(), (n, seed) => {
      const k = seed % (n + 1);
      const { low, high } = wilson({ k, n });
      const mirror = wilson({ k: n - k, n });
      assert.ok(0 <= low && low <= k / n && k / n <= high && high <= 1);
      assert.ok(Math.abs(mirror.low - (1 - high)) < 1e-9);
    }),
  );
});

test('quantiles are values of the list, by nearest rank', () => {
  assert.equal(quantile([], 0.5), null);
  assert.equal(quantile([3, 1, 2], 0.5), 2);
  assert.equal(quantile([1, 2, 3, 4], 0.95), 4);
  assert.equal(quantile([7], 0), 7);
  assert.deepEqual(
    addTallies([
      { k: 1, n: 2 },
      { k: 3, n: 3 },
    ]),
    { k: 4, n: 5 },
  );
});
