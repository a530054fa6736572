import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SUSPECT_MS, SUSPECT_ROUND_TRIPS } from '../limits.ts';
import type { SessionStream } from './session-stream.ts';
import { type ClientSetup, createClientSetup, openEcho } from './testing/client-setup.ts';

const TARGET = Buffer.from('target');
/** 64 kbit/s, in each direction. */
const LINE = { bytesPerMs: 8, latencyMs: 50 };
const MINUTES = 10;
const PERIOD = 251;
const PATTERN = Buffer.from(Array.from({ length: 65_536 + PERIOD }, (_, index) => index % PERIOD));

type Direction = 'down' | 'up';

/** Writes the pattern for as long as it is taken. */
function pour(stream: SessionStream): void {
  let position = 0;
  const more = () => {
    for (let isTaken = true; isTaken && !stream.destroyed; ) {
      const start = position % PERIOD;
      position += 65_536;
      isTaken = stream.write(PATTERN.subarray(start, start + 65_536));
    }
  };
  stream.on('drain', more);
  more();
}

/** Compares what comes with the pattern; returns how much has come. */
function compare(stream: SessionStream): () => number {
  let position = 0;
  stream.on('data', (chunk: Buffer) => {
    for (let done = 0; done < chunk.length; done += 65_536) {
      const piece = chunk.subarray(done, done + 65_536);
      const start = (position + done) % PERIOD;
      assert.ok(piece.equals(PATTERN.subarray(start, start + piece.length)), `other bytes behind ${position}`);
    }
    position += chunk.length;
  });
  return () => position;
}

/** Starts transfers without end; returns how far each has come. */
async function startBulk(setup: ClientSetup, directions: readonly Direction[]): Promise<(() => number)[]> {
  const counts: (() => number)[] = [];
  for (const direction of directions) {
    const stream = setup.client.session.openStream(TARGET);
    if (direction === 'up') pour(stream);
    else stream.write('go');
    let far: SessionStream | undefined;
    for (let before = setup.accepted.length; far === undefined; far = setup.accepted[before]) {
      await setup.clock.advance(100);
    }
    if (direction === 'down') {
      far.resume();
      pour(far);
    }
    counts.push(compare(direction === 'down' ? stream : far));
  }
  return counts;
}

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
