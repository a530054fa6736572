import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Frame } from '@rozan/protocol';
import { MAX_GONE_CARRIERS, MAX_HELD_RUNS } from '../limits.ts';
import { createRawPeer } from './testing/raw-peer.ts';

const TARGET = Buffer.from('target');

/** Frames of one byte each, `step` apart. */
function oneByOne(streamId: number, run: { offset: number; count: number; step: number }): Frame[] {
  const { offset, count, step } = run;
  return Array.from({ length: count }, (_, index) => ({
    type: 'data',
    streamId,
    offset: offset + index * step,
    bytes: Buffer.of(1),
    end: false,
  }));
}

describe('a session whose peer wants its memory', () => {
  it('ends when the peer takes answers and never acknowledges them', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    const questions: Frame[] = Array.from({ length: 3000 }, () => ({ type: 'gone', carrierId: 9 }));
    for (let asked = 0; asked < 100 && !peer.session.closed; asked += 1) {
      carrier.send(...questions);
      await peer.clock.settle();
    }
    assert.ok(peer.session.closed, 'answers pile up');
  });

  it('answers as often as the peer likes that acknowledges the answers', async () => {
    const peer = await createRawPeer('relay');
    const first = await peer.attach();
    const questions: Frame[] = Array.from({ length: 3000 }, () => ({ type: 'gone', carrierId: 9 }));
    for (let asked = 0; asked < 20; asked += 1) {
      first.send(...questions);
      await peer.clock.settle();
      first.send({ type: 'ack', carrierId: 0, records: first.records.length });
      await peer.clock.settle();
    }
    // What was lost with its carrier, and is sent and acknowledged again, counts once.
    first.send(...questions);
    await peer.clock.settle();
    first.conn.destroy();
    await peer.clock.settle();
    const second = await peer.attach();
    for (let asked = 0; asked < 40; asked += 1) {
      second.send(...questions);
      await peer.clock.settle();
      second.send(
        { type: 'ack', carrierId: 1, records: second.records.length },
        { type: 'ack', carrierId: 0, records: 0 },
      );
      await peer.clock.settle();
    }
    assert.ok(!peer.session.closed);
  });

  it('keeps bytes that came one by one in few buffers, and counts them until they are read', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    // Somebody wants to read, and then does not.
    const [stream] = peer.accepted;
    stream?.read();
    const bytes = 100_000;
    for (let offset = 0; offset < bytes; offset += 5000) {
      carrier.send(...oneByOne(1, { offset, count: 5000, step: 1 }));
      await peer.clock.settle();
    }
    assert.equal(peer.session.heldBytes, bytes);
    let read = 0;
    let chunks = 0;
    stream?.on('data', (chunk: Buffer) => {
      read += chunk.length;
      chunks += 1;
    });
    await peer.clock.settle();
    assert.equal(read, bytes);
    assert.ok(chunks < 100, `${chunks} buffers`);
    assert.ok(!peer.session.closed);
  });

  it('ends when there are too many gaps in all streams together', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    const perStream = 4000;
    let runs = 0;
    for (let streamId = 1; !peer.session.closed && runs < 2 * MAX_HELD_RUNS; streamId += 1) {
      carrier.send(...oneByOne(streamId, { offset: 1, count: perStream, step: 2 }));
      runs += perStream;
      await peer.clock.settle();
      // Those of a stream that is over do not count.
      if (streamId === 1) carrier.send({ type: 'reset', streamId, code: 0, finalOffset: 8000 });
    }
    assert.ok(peer.session.closed);
    assert.ok(runs > MAX_HELD_RUNS + perStream);
  });

  it('remembers a bounded number of lost carriers, and sends again what went with the others', async () => {
    const peer = await createRawPeer('relay');
    const keeper = await peer.attach();
    keeper.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    const [stream] = peer.accepted;
    for (let round = 0; round < MAX_GONE_CARRIERS + 3; round += 1) {
      const carrier = await peer.attach();
      carrier.send({ type: 'ping' });
      await peer.clock.settle();
      stream?.write(`round ${round} `);
      await peer.clock.settle();
      carrier.conn.destroy();
      await peer.clock.settle();
      keeper.send({ type: 'ack', carrierId: 0, records: keeper.records.length });
    }
    await peer.clock.settle();
    const offsets = keeper.frames.flatMap((frame) => (frame.type === 'data' ? [frame.offset] : []));
    assert.deepEqual(offsets.slice(0, 3), [0, 8, 16]);
    assert.equal(offsets.length, 3);
    assert.ok(!peer.session.closed);
  });
});
