import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Env } from '../env.ts';
import { LINGER_MAX_MS, LINGER_MIN_MS } from '../limits.ts';
import type { Conn } from '../network.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { endingOf } from '../testing/stream-helpers.ts';
import { linger } from './linger.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };

async function connect(seed = 1): Promise<{ env: Env; clock: ManualClock; near: Conn; far: Conn }> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(seed), log: () => {} };
  const arrived = new Promise<Conn>((resolve) => {
    network.listen(ADDRESS, resolve).catch(() => {});
  });
  const near = await clock.runUntil(network.dial(ADDRESS), 1000);
  return { env, clock, near, far: await arrived };
}

describe('linger', () => {
  it('reads on in silence, and closes in order after a random time', async () => {
    const times = new Set<number>();
    for (let seed = 1; seed <= 5; seed += 1) {
      const { env, clock, near, far } = await connect(seed);
      linger(env, near);
      const ending = endingOf(far);
      let written = 0;
      while (!near.destroyed && clock.monotonicMs() < 2 * LINGER_MAX_MS) {
        far.write(Buffer.alloc(20_000));
        written += 20_000;
        await clock.advance(250);
        assert.equal(far.writableLength, 0, 'it does not read');
      }
      assert.ok(written > 100_000);
      assert.equal((await ending).kind, 'end', 'the other end saw an error');
      const afterMs = clock.monotonicMs();
      assert.ok(afterMs >= LINGER_MIN_MS && afterMs <= LINGER_MAX_MS + 250, `closed after ${afterMs} ms`);
      times.add(afterMs);
    }
    assert.ok(times.size > 1, 'there is a beat');
  });

  it('answers the end of the peer and leaves no timer', async () => {
    const { env, clock, near, far } = await connect();
    linger(env, near);
    far.end('last');
    assert.equal((await endingOf(far)).kind, 'end');
    await clock.settle();
    assert.ok(near.destroyed);
    assert.equal(clock.pendingTimers, 0);
  });

  it('answers an end that has been seen before', async () => {
    const { env, clock, near, far } = await connect();
    near.resume();
    far.end();
    await clock.settle();
    assert.ok(near.readableEnded && !near.destroyed);
    linger(env, near);
    assert.equal((await endingOf(far)).kind, 'end');
    await clock.settle();
    assert.equal(clock.pendingTimers, 0);
  });

  it('bears a reset, and a connection that is closed already', async () => {
    const { env, clock, near, far } = await connect();
    linger(env, near);
    far.resetAndDestroy?.();
    await clock.settle();
    assert.ok(near.destroyed);
    linger(env, near);
    assert.equal(clock.pendingTimers, 0);
  });
});
