import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Env } from '../env.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { NO_ROTATION, RotationLimits, type RotationPolicy } from './rotation.ts';

function createLimits(policy: RotationPolicy, seed: number): RotationLimits {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(seed), log: () => {} };
  return new RotationLimits(env, policy);
}

const fresh = { attachedMs: 1000, bytesReceived: 0, bytesSent: 0 };

/** The least whole number for which it is time. */
function least(isDue: (value: number) => boolean, atMost: number): number {
  let [low, high] = [0, atMost];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (isDue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

it('without a policy it is never time', () => {
  const limits = createLimits(NO_ROTATION, 1);
  assert.equal(limits.due({ ...fresh, bytesReceived: 2 ** 50 }, 2 ** 50), false);
});

it('each carrier draws its age from the range', () => {
  const ages = Array.from({ length: 50 }, (_, seed) => {
    const limits = createLimits({ ageMs: [30_000, 50_000], bytes: null }, seed);
    return least((ageMs) => limits.due(fresh, 1000 + ageMs), 100_000);
  });
  assert.ok(Math.min(...ages) >= 30_000 && Math.max(...ages) <= 50_001);
  assert.ok(Math.max(...ages) - Math.min(...ages) > 10_000);
  assert.ok(new Set(ages).size > 40);
});

it('each carrier draws its bytes from the range, of both directions together', () => {
  const counts = Array.from({ length: 50 }, (_, seed) => {
    const limits = createLimits({ ageMs: null, bytes: [10_000, 15_000] }, seed);
    const both = (bytes: number) => ({
      ...fresh,
      bytesReceived: Math.ceil(bytes / 2),
      bytesSent: Math.floor(bytes / 2),
    });
    return least((bytes) => limits.due(both(bytes), 1e9), 100_000);
  });
  assert.ok(Math.min(...counts) >= 10_000 && Math.max(...counts) <= 15_001);
  assert.ok(new Set(counts).size > 40);
});
