import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Env } from '../env.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { backoffMs, sleep } from './backoff.ts';

function createEnv() {
  const clock = new ManualClock();
  const env: Env = { network: new MemoryNetwork({ clock }), clock, random: new SeededRandom(1), log: () => {} };
  return { env, clock };
}

describe('backoffMs', () => {
  it('doubles from the first to the last wait, each drawn from half of it to all of it', () => {
    const bounds = { minMs: 100, maxMs: 3000 };
    const longest = [1, 2, 3, 4, 5, 6, 7, 1000].map((failures) => backoffMs(failures, { ...bounds, fraction: 1 }));
    assert.deepEqual(longest, [100, 200, 400, 800, 1600, 3000, 3000, 3000]);
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (failures, fraction) => {
          const full = backoffMs(failures, { ...bounds, fraction: 1 });
          const waitMs = backoffMs(failures, { ...bounds, fraction });
          assert.ok(waitMs >= full / 2 && waitMs <= full);
        },
      ),
    );
  });
});

describe('sleep', () => {
  it('is over after its time and leaves nothing behind', async () => {
    const { env, clock } = createEnv();
    const { signal } = new AbortController();
    let done = false;
    const sleeping = sleep(env, 100, signal).then(() => {
      done = true;
    });
    await clock.advance(99);
    assert.equal(done, false);
    await clock.advance(1);
    await sleeping;
    assert.equal(clock.pendingTimers, 0);
  });

  it('is broken off by its signal, with the reason and without a timer', async () => {
    const { env, clock } = createEnv();
    const controller = new AbortController();
    const sleeping = sleep(env, 100, controller.signal);
    const reason = new Error('enough');
    controller.abort(reason);
    await assert.rejects(sleeping, reason);
    assert.equal(clock.pendingTimers, 0);
    await assert.rejects(sleep(env, 100, controller.signal), reason);
    assert.equal(clock.pendingTimers, 0);
  });
});
