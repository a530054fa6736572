import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chiSquareTail, testUniformity } from './chi-square.ts';
import { seededRandom } from './seeded-random.ts';

test('the tail agrees with tables', () => {
  const close = (actual: number, expected: number) => assert.ok(Math.abs(actual / expected - 1) < 0.05, `${actual}`);
  close(chiSquareTail(254.334, 255), 0.5);
  close(chiSquareTail(293.248, 255), 0.05);
  close(chiSquareTail(310.457, 255), 0.01);
  close(chiSquareTail(330.52, 255), 0.001);
  assert.ok(chiSquareTail(100, 255) > 0.999);
});

test('uniform bytes pass; a constant, a biased bit and a repeated byte do not', () => {
  const random = seededRandom(3);
  const samples = Array.from({ length: 20_000 }, () => random(40));
  const { worstPositionTail, pooledTail } = testUniformity(samples);
  assert.ok(worstPositionTail > 1e-6 && pooledTail > 1e-6);

  const biased = samples.map((sample, index) => {
    const copy = Buffer.from(sample);
    copy[9] = index % 8 === 0 ? (copy[9] ?? 0) & 0x7f : (copy[9] ?? 0);
    return copy;
  });
  assert.equal(testUniformity(biased).worstPosition, 9);
  assert.ok(testUniformity(biased).worstPositionTail < 1e-6);
  const constant = samples.map((sample) => Buffer.concat([sample, Buffer.of(0)]));
  assert.ok(testUniformity(constant).worstPositionTail < 1e-6);
  assert.ok(testUniformity(constant).pooledTail < 1e-6);
});
