import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { separate } from './auc.ts';

test('sets that do not overlap are told apart without a mistake, whichever is the slower', () => {
  assert.equal(separate([1, 2, 3], [4, 5]).auc, 1);
  assert.equal(separate([4, 5], [1, 2, 3]).auc, 1);
});

test('equal sets are not told apart', () => {
  assert.equal(separate([1, 2, 3], [1, 2, 3]).auc, 0.5);
  assert.equal(separate([7, 7], [7, 7, 7]).auc, 0.5);
});

test('an example by hand: of six pairs three are in order, and one is even', () => {
  // 3 > 2, 4 > 2; 1 < 2, 1 < 4, 3 < 4; 4 = 4.
  assert.equal(separate([1, 3, 4], [2, 4]).auc, 3.5 / 6);
});

test('it is the share of pairs in order, an even one counting half', () => {
  const samples = fc.array(fc.nat(20), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(samples, samples, (ours, theirs) => {
      const pairs = ours.flatMap((mine) => theirs.map((other) => (1 + Math.sign(mine - other)) / 2));
      const wins = pairs.reduce((sum, half) => sum + half, 0);
      const share = wins / (ours.length * theirs.length);
      assert.ok(Math.abs(separate(ours, theirs).auc - Math.max(share, 1 - share)) < 1e-9);
    }),
  );
});

test('the interval holds the truth about 95 times in 100', () => {
  const random = new SeededRandom(4);
  const draw = (shift: number) => Array.from({ length: 200 }, () => random.fraction() + shift);
  // Of two uniform variables of width 1, the later one's shift d gives 1 − (1 − d)² / 2.
  const truth = 1 - (1 - 0.2) ** 2 / 2;
  let held = 0;
  for (let run = 0; run < 300; run += 1) {
    const { low, high } = separate(draw(0.2), draw(0));
    if (low <= truth && truth <= high) held += 1;
  }
  assert.ok(held > 270, `${held} of 300`);
});
