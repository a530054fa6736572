import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Frame } from '@rozan/protocol';
import { MAX_GONE_CARRIERS } from '../limits.ts';
import { createRawPeer } from './testing/raw-peer.ts';

const TARGET = Buffer.from('target');

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
