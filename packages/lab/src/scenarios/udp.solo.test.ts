import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureUdp } from '../testing/udp-run.ts';

/** `bench/udp.mjs` reports 50 Mbit/s; here the machine may be busy with everything else, and the kernel drops what nobody reads in time. */
const MBPS = 10;
const SECONDS = 6;
const CUT_AFTER_MS = 2000;
const MOST_LOST = 0.5;
const MOST_LOST_ELSEWHERE = 0.1;

test('a stream of datagrams both ways loses some around cuts and hardly any elsewhere', async (context) => {
  const figures = await measureUdp({ mbps: MBPS, seconds: SECONDS, datagramBytes: 1200, cutAfterMs: CUT_AFTER_MS });
  const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
  context.diagnostic(
    `${figures.sentMbps.toFixed(1)} Mbit/s each way, ${figures.cuts} cuts: lost ${percent(figures.lost)}, ` +
      `${percent(figures.lostElsewhere)} not around a cut; round trip ${figures.roundTripMs.median.toFixed(1)} ms`,
  );
  assert.ok(figures.cuts >= 1);
  assert.equal(figures.doubled, 0);
  assert.equal(figures.wrong, 0);
  assert.ok(figures.lost < MOST_LOST, percent(figures.lost));
  assert.ok(figures.lostElsewhere < MOST_LOST_ELSEWHERE, percent(figures.lostElsewhere));
});
