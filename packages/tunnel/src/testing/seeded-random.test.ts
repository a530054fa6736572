import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from './seeded-random.ts';

test('the same seed gives the same numbers, another seed others', () => {
  assert.deepEqual(new SeededRandom(7).bytes(100), new SeededRandom(7).bytes(100));
  assert.notDeepEqual(new SeededRandom(7).bytes(100), new SeededRandom(8).bytes(100));
});

test('sizes and ranges', () => {
  const random = new SeededRandom(1);
  for (let count = 0; count < 20; count++) assert.equal(random.bytes(count).length, count);
  for (let count = 0; count < 1000; count++) {
    const fraction = random.fraction();
    assert.ok(fraction >= 0 && fraction < 1);
    assert.ok(random.below(6) < 6 && random.below(6) >= 0);
  }
});

test('bytes are spread evenly', () => {
  const counts = new Array<number>(256).fill(0);
  for (const byte of new SeededRandom(2).bytes(256_000)) counts[byte] = (counts[byte] ?? 0) + 1;
  for (const count of counts) assert.ok(count > 800 && count < 1200, `${count}`);
});
