import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MAX_DATAGRAM_BYTES } from '@rozan/protocol';
import { DATAGRAM_QUEUE } from '../limits.ts';
import { createRawPeer } from './testing/raw-peer.ts';
import { createSessionPair, type SessionPair } from './testing/session-pair.ts';

const TARGET = Buffer.from('01c00002010035', 'hex');

/** A flow of the client, and what came of it at either end. */
function openFlow(pair: SessionPair) {
  const received: Buffer[] = [];
  const flow = pair.client.datagrams.openFlow((_from, bytes) => received.push(Buffer.from(bytes)));
  return { ...flow, received };
}

describe('datagrams of a session', () => {
  it('go both ways, of any size from nothing to the largest', async () => {
    const pair = await createSessionPair({ latencyMs: 5 });
    await pair.attach();
    const flow = openFlow(pair);
    for (const size of [0, 1, 1200, 20_000, MAX_DATAGRAM_BYTES]) flow.send(TARGET, Buffer.alloc(size, 7));
    await pair.clock.advance(100);
    assert.deepEqual(
      pair.datagrams.map(({ bytes }) => bytes.length),
      [0, 1, 1200, 20_000, MAX_DATAGRAM_BYTES],
    );
    for (const { flowId, target, bytes } of pair.datagrams) pair.relay.datagrams.send(flowId, target, bytes);
    await pair.clock.advance(100);
    assert.deepEqual(
      flow.received,
      pair.datagrams.map(({ bytes }) => bytes),
    );
    await pair.clock.advance(1000);
    assert.equal(pair.client.heldBytes + pair.relay.heldBytes, 0);
  });

  it('wait 200 ms for a carrier and are then dropped and counted', async () => {
    const pair = await createSessionPair();
    const flow = openFlow(pair);
    flow.send(TARGET, Buffer.from('too early'));
    await pair.clock.advance(2 * DATAGRAM_QUEUE.ageMs + 1);
    assert.equal(pair.client.heldBytes, 0);
    assert.deepEqual(pair.client.datagrams.drops, { full: 0, stale: 1 });
    flow.send(TARGET, Buffer.from('in time'));
    await pair.clock.advance(DATAGRAM_QUEUE.ageMs / 2);
    await pair.attach();
    await pair.clock.advance(100);
    assert.deepEqual(
      pair.datagrams.map(({ bytes }) => bytes.toString()),
      ['in time'],
    );
  });

  it('are bounded in bytes, and one flow takes half of them at most', async () => {
    const pair = await createSessionPair();
    const [greedy, modest] = [openFlow(pair), openFlow(pair)];
    const bytes = Buffer.alloc(60_000);
    for (let count = 0; count < 40; count += 1) greedy.send(TARGET, bytes);
    assert.ok(pair.client.heldBytes <= DATAGRAM_QUEUE.flowBytes);
    assert.equal(pair.client.datagrams.drops.full, 23);
    modest.send(TARGET, Buffer.from('there is room'));
    assert.equal(pair.client.datagrams.drops.full, 23);
    greedy.close();
    assert.ok(pair.client.heldBytes < 100);
  });

  for (const kind of ['rst', 'stall'] as const) {
    it(`are lost with their carrier, by ${kind}, and are never sent twice`, async () => {
      const pair = await createSessionPair({ latencyMs: 20 });
      await pair.attach();
      const flow = openFlow(pair);
      const sent = 200;
      for (let count = 0; count < sent; count += 1) {
        flow.send(TARGET, Buffer.from(String(count)));
        await pair.clock.advance(10);
        if (count % 50 !== 49) continue;
        pair.network.cutAll(kind);
        const old = pair.client.carriers;
        await pair.attach();
        for (const carrier of old) pair.client.giveUp(carrier);
      }
      await pair.clock.advance(2000);
      const numbers = pair.datagrams.map(({ bytes }) => Number(bytes.toString()));
      assert.equal(new Set(numbers).size, numbers.length);
      assert.ok(numbers.length >= sent - 4 * 6, `${numbers.length} of ${sent}`);
      assert.ok(numbers.length < sent);
      assert.equal(pair.client.heldBytes, 0);
    });
  }

  it('share a carrier with a stream: neither starves', async () => {
    const pair = await createSessionPair({ latencyMs: 10, bytesPerMs: 100 });
    await pair.attach();
    const stream = pair.client.openStream(TARGET);
    let streamBytes = 0;
    stream.on('error', () => {});
    const write = () => {
      while (stream.write(Buffer.alloc(16_384)));
    };
    stream.on('drain', write);
    write();
    const flow = openFlow(pair);
    for (let count = 0; count < 3000; count += 1) {
      flow.send(TARGET, Buffer.alloc(1200));
      await pair.clock.advance(4);
      for (const accepted of pair.accepted.splice(0)) {
        accepted.stream.on('data', (chunk: Buffer) => {
          streamBytes += chunk.length;
        });
      }
    }
    const datagramBytes = pair.datagrams.reduce((sum, { bytes }) => sum + bytes.length, 0);
    const all = streamBytes + datagramBytes;
    assert.ok(all > 0.5 * 100 * 12_000, `the line is used: ${all}`);
    assert.ok(datagramBytes > 0.3 * all && streamBytes > 0.3 * all, `${datagramBytes} and ${streamBytes}`);
  });

  it('let flows take turns', async () => {
    const pair = await createSessionPair({ latencyMs: 10, bytesPerMs: 50 });
    await pair.attach();
    const [greedy, modest] = [openFlow(pair), openFlow(pair)];
    for (let count = 0; count < 1000; count += 1) {
      for (let more = 0; more < 3; more += 1) greedy.send(TARGET, Buffer.alloc(1000));
      if (count % 20 === 0) modest.send(TARGET, Buffer.from('a question'));
      await pair.clock.advance(10);
    }
    await pair.clock.advance(1000);
    const answered = pair.datagrams.filter(({ bytes }) => bytes.length === 10).length;
    assert.ok(answered >= 45, `${answered} of 50`);
    assert.ok(pair.client.datagrams.drops.full + pair.client.datagrams.drops.stale > 500);
  });

  it('of a closed flow are not handed on', async () => {
    const pair = await createSessionPair();
    await pair.attach();
    const flow = openFlow(pair);
    flow.send(TARGET, Buffer.from('one'));
    await pair.clock.advance(10);
    flow.close();
    pair.relay.datagrams.send(1, TARGET, Buffer.from('late'));
    await pair.clock.advance(10);
    assert.deepEqual(flow.received, []);
    assert.deepEqual(pair.closedFlows, [1]);
    flow.send(TARGET, Buffer.from('two'));
    await pair.clock.advance(10);
    assert.equal(pair.datagrams.length, 1);
  });

  it('break no rule that a peer can see: a client hears of its flows only, and a relay closes none', async () => {
    for (const frame of [
      { type: 'datagram', flowId: 1, target: TARGET, bytes: Buffer.from('x') },
      { type: 'close-flow', flowId: 1 },
    ] as const) {
      const peer = await createRawPeer('client');
      const carrier = await peer.attach();
      carrier.send(frame);
      await peer.clock.settle();
      assert.deepEqual(peer.closed, [{ code: 'internal', by: 'us' }]);
    }
  });
});
