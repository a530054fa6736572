import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SUSPECT_MS, SUSPECT_ROUND_TRIPS } from '../limits.ts';
import type { SessionStream } from './session-stream.ts';
import { startBulk } from './testing/bulk.ts';
import { type ClientSetup, createClientSetup, openEcho } from './testing/client-setup.ts';

/** 64 kbit/s, in each direction. */
const LINE = { bytesPerMs: 8, latencyMs: 50 };
const MINUTES = 10;
/** Sends a message every two seconds and notes how long each takes to come back. */
function chat(setup: ClientSetup, stream: SessionStream): number[] {
  const sent: number[] = [];
  const roundTrips: number[] = [];
  stream.on('data', (chunk: Buffer) => {
    for (const sentMs of sent.splice(0, chunk.length)) roundTrips.push(setup.clock.monotonicMs() - sentMs);
  });
  const next = () => {
    sent.push(setup.clock.monotonicMs());
    stream.write('x');
    setup.clock.setTimer(2000, next);
  };
  next();
  return roundTrips;
}

for (const directions of [['down'], ['up'], ['down', 'up']] as const) {
  describe(`a session on a line of 64 kbit/s, full ${directions.join(' and ')}`, () => {
    it(`keeps its carrier for ${MINUTES} minutes, the line full, and another stream responsive`, async () => {
      const setup = await createClientSetup(LINE);
      const { stream } = await openEcho(setup);
      await setup.clock.advance(1000);
      stream.read();
      const roundTrips = chat(setup, stream);
      const counts = await startBulk(setup, directions);
      await setup.clock.advance(60_000);
      const before = counts.map((count) => count());
      roundTrips.length = 0;
      await setup.clock.advance((MINUTES - 1) * 60_000);
      counts.forEach((count, index) => {
        const goodput = (count() - (before[index] ?? 0)) / ((MINUTES - 1) * 60_000 * LINE.bytesPerMs);
        assert.ok(goodput >= 0.8, `${directions[index]}: ${goodput} of the line`);
      });
      assert.ok(setup.suspects.length <= 1, `${setup.suspects.length} false suspicions`);
      assert.ok(setup.attached.length <= 2);
      assert.ok(roundTrips.length > 200);
      assert.ok(Math.max(...roundTrips) < 4000, `a message took ${Math.max(...roundTrips)} ms`);
      setup.client.close('cancelled');
    });

    it('leaves a carrier that stalls, in time', async () => {
      const setup = await createClientSetup(LINE);
      const counts = await startBulk(setup, directions);
      await setup.clock.advance(30_000);
      for (let round = 0; round < 5; round += 1) {
        const stalled = setup.client.session.carriers.at(-1);
        assert.ok(stalled !== undefined);
        const before = { suspects: setup.suspects.length, attached: setup.attached.length };
        const stalledAtMs = setup.clock.monotonicMs();
        const patienceMs = Math.max(SUSPECT_MS, SUSPECT_ROUND_TRIPS * stalled.ledger.smoothedRttMs);
        for (const connection of setup.connections()) connection.cut('stall');
        await setup.clock.advance(patienceMs);
        assert.deepEqual(
          setup.suspects.slice(before.suspects).map(({ carrier }) => carrier),
          [stalled],
        );
        await setup.clock.advance(5000);
        assert.ok(setup.attached.length > before.attached);
        assert.ok((setup.suspects.at(-1)?.atMs ?? 0) - stalledAtMs <= patienceMs);
        const bytes = counts.map((count) => count());
        await setup.clock.advance(30_000);
        counts.forEach((count, index) => {
          assert.ok(count() > (bytes[index] ?? 0) + 100_000);
        });
      }
      setup.client.close('cancelled');
    });
  });
}

/** 2 Mbit/s, in each direction. */
const BROADER = { bytesPerMs: 250, latencyMs: 5 };
const BROADER_MS = 20_000;

describe('a session on a line of 2 Mbit/s', () => {
  for (const directions of [['down'], ['up'], ['down', 'up']] as const) {
    it(`fills 90 % of it while its carriers are cut every 2 s: ${directions.join(' and ')}`, async () => {
      const setup = await createClientSetup(BROADER);
      const counts = await startBulk(setup, directions);
      await setup.clock.advance(2000);
      const before = counts.map((count) => count());
      for (let spentMs = 0; spentMs < BROADER_MS; spentMs += 2000) {
        setup.network.cutAll('rst');
        await setup.clock.advance(2000);
      }
      assert.ok(setup.lost.length >= 10);
      counts.forEach((count, index) => {
        const share = (count() - (before[index] ?? 0)) / (BROADER.bytesPerMs * BROADER_MS);
        assert.ok(share >= 0.9, `${directions[index]}: ${share} of the line`);
      });
      setup.client.close('cancelled');
    });
  }

  it('sends nothing twice when it rotates, and keeps the line full', async () => {
    const rotation = { ageMs: [1500, 2500], bytes: null } as const;
    const setup = await createClientSetup({ ...BROADER, rotation });
    const counts = await startBulk(setup, ['down', 'up']);
    await setup.clock.advance(2000);
    const before = { bytes: counts.map((count) => count()), carried: setup.network.bytesDelivered };
    await setup.clock.advance(BROADER_MS);
    assert.ok(setup.lost.length >= 6, `${setup.lost.length} rotations`);
    assert.ok(setup.lost.every(({ cause }) => cause === 'retired'));
    const moved = counts.map((count, index) => count() - (before.bytes[index] ?? 0));
    for (const bytes of moved) assert.ok(bytes >= 0.85 * BROADER.bytesPerMs * BROADER_MS, `${bytes} bytes`);
    const carried = setup.network.bytesDelivered - before.carried;
    // The rest are headers, acknowledgements and padding.
    assert.ok(carried <= 1.05 * moved.reduce((sum, bytes) => sum + bytes, 0), `${carried} bytes for ${moved}`);
    setup.client.close('cancelled');
  });
});
