import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '../testing/seeded-random.ts';
import { AdaptivePlan } from './plan/carrier-plan.ts';
import { LimitFinder } from './plan/limit-finder.ts';
import { type Direction, startBulk } from './testing/bulk.ts';
import { type ClientSetup, createClientSetup, openEcho } from './testing/client-setup.ts';
import type { FakeRelayOptions } from './testing/fake-dial.ts';

async function start(
  options: FakeRelayOptions,
  finder?: LimitFinder,
): Promise<ClientSetup & { readonly plan: AdaptivePlan }> {
  const plan = new AdaptivePlan(new SeededRandom(options.seed ?? 1), { finder });
  return Object.assign(await createClientSetup({ latencyMs: 25, ...options, plan }), { plan });
}

/** A message each 200 ms, one after the other; how long each took to come back. */
async function converse(setup: ClientSetup, durationMs: number): Promise<number[]> {
  const { stream } = await openEcho(setup);
  await setup.clock.advance(500);
  let isBack = false;
  stream.on('data', () => {
    isBack = true;
  });
  const times: number[] = [];
  for (const endMs = setup.clock.monotonicMs() + durationMs; setup.clock.monotonicMs() < endMs; ) {
    const startMs = setup.clock.monotonicMs();
    isBack = false;
    stream.write('x');
    while (!isBack && setup.clock.monotonicMs() - startMs < 30_000) await setup.clock.advance(5);
    times.push(setup.clock.monotonicMs() - startMs);
    await setup.clock.advance(200);
  }
  return times;
}

const percentile = (times: readonly number[], share: number): number =>
  times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))] ?? 0;

/** The share of the line that a transfer gets. */
async function share(setup: ClientSetup, direction: Direction, times: { learningMs: number; bytesPerMs: number }) {
  const [count = () => 0] = await startBulk(setup, [direction]);
  await setup.clock.advance(times.learningMs);
  const before = count();
  await setup.clock.advance(30_000);
  return (count() - before) / (30_000 * times.bytesPerMs);
}

describe('a session that adapts', () => {
  for (const { how, afterMs, seed } of [
    { how: 'rst', afterMs: 61_000, seed: 2 },
    { how: 'stall', afterMs: 23_000, seed: 3 },
    { how: 'fin', afterMs: 87_000, seed: 4 },
  ] as const) {
    it(`replaces carriers in time where they are cut (${how}) at an age it was not told`, async () => {
      const setup = await start({ censor: { how, afterMs }, seed });
      await openEcho(setup);
      for (let second = 0; setup.plan.state.ageMs === null && second < 600; second += 1)
        await setup.clock.advance(1000);
      const { ageMs } = setup.plan.state;
      // When an idle carrier has fallen silent is known only from the pings around.
      const least = how === 'stall' ? 0.5 : 0.8;
      assert.ok(ageMs !== null && ageMs <= afterMs && ageMs >= least * afterMs, `${ageMs} of ${afterMs} ms`);
      const times = await converse(setup, 400_000);
      assert.ok(percentile(times, 0.99) <= 550, `p99 ${percentile(times, 0.99)} ms`);
      setup.client.close('cancelled');
    });
  }

  for (const { how, afterBytes } of [
    { how: 'stall', afterBytes: 18_000 },
    { how: 'rst', afterBytes: 36_000 },
  ] as const) {
    it(`goes on where carriers may carry ${afterBytes} bytes (${how}), in both directions`, async () => {
      for (const direction of ['down', 'up'] as const) {
        const setup = await start({ bytesPerMs: 250, censor: { how, afterBytes } });
        const got = await share(setup, direction, { learningMs: 90_000, bytesPerMs: 250 });
        const { bytes } = setup.plan.state;
        assert.ok(bytes !== null && bytes < afterBytes, `${direction}: ${bytes} of ${afterBytes}`);
        assert.ok(got >= 0.3, `${direction}: ${got} of the line`);
        assert.ok(setup.connections().length <= 40);
        setup.client.close('cancelled');
      }
    });
  }

  it('keeps a conversation going beside a transfer where carriers are frozen after 16,400 bytes', async () => {
    const waits = async (options: FakeRelayOptions) => {
      const setup = await start({ ...options, bytesPerMs: 250 });
      await startBulk(setup, ['down']);
      await setup.clock.advance(40_000);
      const before = setup.lost.length;
      const times = await converse(setup, 60_000);
      setup.client.close('cancelled');
      const ends = setup.lost.slice(before).filter(({ cause }) => cause !== 'session-closed');
      return { p99Ms: percentile(times, 0.99), ends, plan: setup.plan.state };
    };
    const frozen = await waits({ censor: { how: 'stall', afterBytes: 16_400 } });
    const control = await waits({});
    assert.ok(frozen.p99Ms <= control.p99Ms + 300, `p99 ${frozen.p99Ms} ms, beside ${control.p99Ms} ms`);
    assert.ok((frozen.plan.bytes ?? 0) > 0.75 * 16_400, `${frozen.plan.bytes} bytes`);
    assert.ok(frozen.ends.length > 200, `${frozen.ends.length} were replaced`);
    const inUse = frozen.ends.filter(({ carrier }) => !carrier.retired).map(({ cause }) => cause);
    // Canaries, one a minute.
    assert.ok(inUse.length <= 4, `while in use: ${inUse.join(', ')}`);
    assert.ok(inUse.every((cause) => cause === 'stalled'));
  });

  it('replaces its first carrier in time already where it was told of the cut', async () => {
    for (const afterMs of [3000, 5000, 60_000]) {
      const finder = new LimitFinder();
      finder.suggest({ ageMs: afterMs, bytes: null });
      const [told, control] = [
        await start({ censor: { how: 'rst', afterMs } }, finder),
        await start({ censor: { how: 'rst', afterMs } }),
      ];
      for (const setup of [told, control]) {
        await openEcho(setup);
        await setup.clock.advance(12 * afterMs);
        setup.client.close('cancelled');
      }
      const cuts = ({ lost }: ClientSetup) => lost.filter(({ cause }) => cause === 'reset').length;
      assert.equal(told.lost[0]?.cause, 'retired');
      // Canaries, on which nothing depends.
      assert.ok(cuts(told) <= 2, `${cuts(told)}`);
      assert.ok(told.attached.length >= 12);
      assert.ok(cuts(control) >= 3, `${cuts(control)}`);
    }
  });

  it('uses more carriers where each is held back by itself, and one where that brings nothing', async () => {
    const throttled = await start({ throttleBytesPerMs: 60 });
    const got = await share(throttled, 'down', { learningMs: 40_000, bytesPerMs: 60 });
    assert.ok(got >= 6, `${got} times one carrier`);
    throttled.client.close('cancelled');
    const shared = await start({ bytesPerMs: 250 });
    await share(shared, 'down', { learningMs: 60_000, bytesPerMs: 250 });
    assert.equal(shared.plan.carriers, 1);
    shared.client.close('cancelled');
  });
});
