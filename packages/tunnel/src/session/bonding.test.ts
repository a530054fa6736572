import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Direction, startBulk } from './testing/bulk.ts';
import { type ClientSetup, createClientSetup, openEcho } from './testing/client-setup.ts';

/** 1 Mbit/s for each carrier, in each direction. */
const THROTTLED = { throttleBytesPerMs: 125, latencyMs: 20 };
const SETTLING_MS = 5000;

/** Bytes per millisecond that a transfer makes, once it has settled. */
async function goodput(setup: ClientSetup, direction: Direction): Promise<number> {
  const [count] = await startBulk(setup, [direction]);
  assert.ok(count !== undefined);
  await setup.clock.advance(SETTLING_MS);
  const before = count();
  await setup.clock.advance(10_000);
  return (count() - before) / 10_000;
}

describe('a session over several carriers at once', () => {
  for (const direction of ['down', 'up'] as const) {
    it(`has one stream use them all: ${direction}`, async () => {
      const setup = await createClientSetup({ ...THROTTLED, carriers: 8 });
      await setup.clock.advance(1000);
      assert.equal(setup.connections().length, 8);
      const rate = await goodput(setup, direction);
      const share = rate / (8 * THROTTLED.throttleBytesPerMs);
      assert.ok(share >= 0.88, `${share} of what eight carriers could carry`);
      setup.client.close('cancelled');
    });
  }

  it('fills a line that all of them share as one carrier does', async () => {
    const setup = await createClientSetup({ bytesPerMs: 250, latencyMs: 20, carriers: 8 });
    const rate = await goodput(setup, 'down');
    assert.ok(rate >= 0.9 * 250, `${rate / 250} of the line`);
    setup.client.close('cancelled');
  });

  it('has as many again after each cut, whether of one carrier or of all, and loses no byte', async () => {
    const setup = await createClientSetup({ ...THROTTLED, carriers: 4 });
    const counts = await startBulk(setup, ['down', 'up']);
    await setup.clock.advance(SETTLING_MS);
    for (let round = 0; round < 12; round += 1) {
      if (round % 4 === 3) setup.network.cutAll('rst');
      else setup.connections()[round % 3]?.cut(round % 2 === 0 ? 'rst' : 'fin');
      const before = counts.map((count) => count());
      await setup.clock.advance(4000);
      assert.equal(setup.connections().length, 4, `round ${round}`);
      counts.forEach((count, index) => {
        const share = (count() - (before[index] ?? 0)) / (4000 * 4 * THROTTLED.throttleBytesPerMs);
        assert.ok(share >= 0.6, `${share} of what four carriers could carry in round ${round}`);
      });
    }
    assert.equal(setup.client.session.streamCount, 2);
    setup.client.close('cancelled');
  });

  it('leaves one that stalls, and serves on over the others meanwhile', async () => {
    const setup = await createClientSetup({ ...THROTTLED, carriers: 3 });
    const { stream } = await openEcho(setup);
    await setup.clock.advance(1000);
    setup.connections()[1]?.cut('stall');
    const late: number[] = [];
    stream.resume();
    for (let message = 0; message < 100; message += 1) {
      const start = setup.clock.monotonicMs();
      let back = false;
      stream.once('data', () => {
        back = true;
      });
      stream.write('x');
      for (let waited = 0; !back && waited < 20_000; waited += 10) await setup.clock.advance(10);
      assert.ok(back);
      if (setup.clock.monotonicMs() - start > 1000) late.push(setup.clock.monotonicMs() - start);
      await setup.clock.advance(200);
    }
    assert.ok(late.length <= 3, `${late.length} of 100 messages were late: ${late}`);
    const live = setup.client.session.carriers.filter(({ suspect }) => !suspect);
    assert.equal(live.length, 3);
    setup.client.close('cancelled');
  });

  it('rotates them one by one, each replaced before it goes, and sends nothing twice', async () => {
    const rotation = { ageMs: [3000, 6000], bytes: null } as const;
    const setup = await createClientSetup({ ...THROTTLED, carriers: 3, rotation });
    const [count] = await startBulk(setup, ['down']);
    await setup.clock.advance(SETTLING_MS);
    const before = { bytes: count?.() ?? 0, carried: setup.network.bytesDelivered };
    for (let second = 0; second < 40; second += 1) {
      await setup.clock.advance(1000);
      const { length } = setup.client.session.carriers.filter(({ usable }) => usable);
      assert.ok(length >= 3 && length <= 6, `${length} carriers`);
    }
    assert.ok(setup.lost.length >= 15, `${setup.lost.length} rotations`);
    assert.ok(setup.lost.every(({ cause }) => cause === 'retired'));
    const moved = (count?.() ?? 0) - before.bytes;
    assert.ok(moved >= 0.75 * 40_000 * 3 * THROTTLED.throttleBytesPerMs, `${moved} bytes`);
    assert.ok(setup.network.bytesDelivered - before.carried <= 1.05 * moved);
    setup.client.close('cancelled');
  });

  it('asks more rarely for what it does not get while others serve', async () => {
    const setup = await createClientSetup({ carriers: 4 });
    await setup.clock.advance(1000);
    setup.outcome = { fail: 'refused' };
    for (const connection of setup.connections().slice(1)) connection.cut('rst');
    const before = setup.attempts.length;
    await setup.clock.advance(60_000);
    const { length } = setup.attempts.slice(before);
    assert.ok(length >= 12 && length <= 60, `${length} attempts`);
    setup.outcome = 'accept';
    await setup.clock.advance(20_000);
    assert.equal(setup.connections().length, 4);
    setup.client.close('cancelled');
  });

  it('never has more than eight', async () => {
    const setup = await createClientSetup({ carriers: 100 });
    await setup.clock.advance(2000);
    assert.equal(setup.connections().length, 8);
    setup.client.close('cancelled');
  });
});
