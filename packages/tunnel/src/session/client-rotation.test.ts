import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { readAll } from '../testing/stream-helpers.ts';
import type { RotationPolicy } from './plan/carrier-plan.ts';
import { countBytes, createClientSetup, openEcho } from './testing/client-setup.ts';

describe('a client session that rotates', () => {
  const Age: RotationPolicy = { ageMs: [30_000, 50_000], bytes: null };

  it('replaces each carrier at an age drawn from the range, the next one first, and loses nothing', async () => {
    const setup = await createClientSetup({ rotation: Age });
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    let written = 'first'.length;
    for (let second = 0; second < 600; second += 1) {
      stream.write(Buffer.alloc(200));
      written += 200;
      await setup.clock.advance(1000);
    }
    assert.equal(count(), written);
    assert.deepEqual([...new Set(setup.lost.map(({ cause }) => cause))], ['retired']);
    assert.deepEqual([setup.suspects, setup.detachments], [[], []]);
    const ages = setup.attached.slice(1).map(({ atMs }, index) => atMs - (setup.attached[index]?.atMs ?? 0));
    assert.ok(ages.length >= 11 && ages.length <= 20, `${ages.length} rotations in ten minutes`);
    for (const ageMs of ages) assert.ok(ageMs >= 30_000 && ageMs <= 52_000, `rotated after ${ageMs} ms`);
    assert.ok(new Set(ages.map((ageMs) => Math.round(ageMs / 100))).size > ages.length / 2, 'there is a beat');
    for (const { carrier, atMs } of setup.lost) {
      const next = setup.attached.find(({ carrier: { id } }) => id === carrier.id + 1);
      assert.ok(next !== undefined && next.atMs < atMs, 'a carrier went before the next was there');
    }
    await setup.clock.advance(2000);
    assert.equal(setup.relay.carriers.length, 1);
  });

  it('stays quiet when idle: a rotation raises no suspicion and no second attach', async () => {
    const setup = await createClientSetup({ rotation: Age });
    await setup.clock.advance(300_000);
    assert.deepEqual(setup.suspects, []);
    assert.deepEqual([...new Set(setup.lost.map(({ cause }) => cause))], ['retired']);
    assert.ok(setup.attempts.length >= 5 && setup.attempts.length <= 10, `${setup.attempts.length} attempts`);
    assert.equal(setup.client.session.heldBytes, 0);
    assert.equal(setup.relay.heldBytes, 0);
  });

  it('replaces each carrier after as many bytes as drawn, once', async () => {
    const setup = await createClientSetup({ rotation: { ageMs: null, bytes: [300_000, 400_000] } });
    const { stream, far } = await openEcho(setup);
    far.unpipe(far);
    const data = Buffer.alloc(3_000_000, 9);
    far.end(data);
    stream.end();
    const result = await setup.clock.runUntil(readAll(stream), 120_000);
    assert.equal(result.length, data.length);
    await setup.clock.advance(3000);
    assert.deepEqual(setup.suspects, []);
    for (const { cause, carrier } of setup.lost) {
      assert.equal(cause, 'retired');
      assert.ok(carrier.bytesReceived + carrier.bytesSent >= 300_000);
    }
    // Each carrier is in use for a moment longer than its limit, never shorter.
    assert.ok(setup.attempts.length >= 2 && setup.attempts.length <= 3_200_000 / 300_000, `${setup.attempts.length}`);
  });

  it('stays on its carrier while no other can be had', async () => {
    const setup = await createClientSetup({ rotation: Age });
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    setup.outcome = { fail: 'refused' };
    await setup.clock.advance(120_000);
    assert.deepEqual(setup.lost, []);
    stream.write('still here');
    await setup.clock.advance(1000);
    assert.equal(count(), 'firststill here'.length);
    assert.ok(setup.attempts.length < 100);
  });

  it('goes on with the old carrier when the new one dies before it is let go', async () => {
    const setup = await createClientSetup({ rotation: Age });
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    setup.outcome = 'cut-at-once';
    await setup.clock.advance(55_000);
    assert.ok(setup.attempts.length > 0);
    assert.equal(setup.detachments.length, 0, 'the only carrier was let go');
    setup.outcome = 'accept';
    stream.write('still here');
    await setup.clock.advance(10_000);
    assert.equal(count(), 'firststill here'.length);
    assert.equal(setup.client.session.carriers.length, 1);
  });

  it('gives up a carrier that falls silent just as it is let go', async () => {
    const setup = await createClientSetup({ rotation: Age, latencyMs: 50 });
    const { stream, far } = await openEcho(setup);
    const sent = createHash('sha256').update('first');
    const received = createHash('sha256');
    let count = 0;
    let written = 'first'.length;
    stream.on('data', (chunk: Buffer) => {
      received.update(chunk);
      count += chunk.length;
    });
    const write = async (fill: number): Promise<void> => {
      const chunk = Buffer.alloc(3000, fill);
      sent.update(chunk);
      written += chunk.length;
      stream.write(chunk);
      await setup.clock.advance(50);
    };
    for (let round = 0; setup.attached.length < 2 && round < 1200; round += 1) await write(round);
    assert.equal(setup.attached.length, 2, 'it did not rotate');
    // What is under way on the old one, the word of its retirement included, does not get through.
    setup.connections()[0]?.setStalled(true);
    for (let round = 0; round < 20; round += 1) await write(round);
    stream.end();
    await setup.clock.advance(6000);
    assert.equal(count, written, 'bytes are stuck on a carrier that was let go');
    assert.equal(received.digest('hex'), sent.digest('hex'));
    assert.ok(far.readableEnded && stream.readableEnded);
    assert.equal(setup.client.session.heldBytes, 0);
    assert.equal(setup.relay.heldBytes, 0);
    assert.equal(setup.relay.carriers.length, 1);
  });
});
