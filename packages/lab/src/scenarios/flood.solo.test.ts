import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { type FloodFigures, type FloodOptions, measureFlood } from '../testing/flood-run.ts';

const FLIGHTS_PER_SECOND = 3000;
/** bench/flood.mjs reports the real ratio; here the flooder shares two noisy cores with everything else. */
const LEAST_RATIO = 0.25;
/** Fewer than this are no flood: the machine was too busy to send them. */
const LEAST_PER_SECOND = 500;

/** Measures for a short while and says what came out. */
async function flood(context: TestContext, options: Omit<FloodOptions, 'perSecond'>): Promise<FloodFigures> {
  const short = { perSecond: FLIGHTS_PER_SECOND, windows: 3, windowMs: 1500, aloneMs: 2000 };
  const figures = await measureFlood({ ...short, ...options });
  const { ratio, quietMBps, perSecond, cpuMsPerFlight, mostOpen } = figures;
  context.diagnostic(
    `goodput × ${ratio.toFixed(2)} of ${quietMBps.toFixed(0)} MB/s at ${perSecond.toFixed(0)} flights/s, ` +
      `${cpuMsPerFlight.toFixed(3)} ms of the relay's processor for each, ${mostOpen} open`,
  );
  return figures;
}

function assertBearable({ ratio, perSecond, answered }: FloodFigures): void {
  assert.equal(answered, 0, 'no garbage flight is answered');
  assert.ok(perSecond > LEAST_PER_SECOND, `${perSecond} flights a second are no flood`);
  assert.ok(ratio >= LEAST_RATIO, `goodput falls to ${ratio} of what it was`);
}

describe('3,000 garbage first flights a second', () => {
  test('leave a download on busy cores most of its goodput', { timeout: 120_000 }, async (context) => {
    assertBearable(await flood(context, { mode: 'close' }));
  });

  test('that stay open leave a download its goodput', { timeout: 120_000 }, async (context) => {
    assertBearable(await flood(context, { mode: 'hold', limitMBps: 60, windows: 2 }));
  });

  test('leave a download its goodput at a relay with 200 channels', { timeout: 120_000 }, async (context) => {
    assertBearable(await flood(context, { mode: 'close', limitMBps: 60, channels: 200, windows: 2 }));
  });
});
