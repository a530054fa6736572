import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Frame } from '@rozan/protocol';
import {
  MAX_SESSION_CARRIERS,
  MAX_SESSION_STREAMS,
  SESSION_WINDOW,
  SILENT_CARRIER_MS,
  STREAM_WINDOW,
} from '../limits.ts';
import { createRawPeer, type RawCarrier } from './testing/raw-peer.ts';

const TARGET = Buffer.from('target');

function data(streamId: number, offset: number, length: number): Frame {
  return { type: 'data', streamId, offset, bytes: Buffer.alloc(length, 1), end: false };
}

/** All of a stream of `length` bytes. */
function whole(streamId: number, length: number): Frame {
  return { type: 'data', streamId, offset: 0, bytes: Buffer.alloc(length, 1), end: true };
}

/** Sends bytes of a stream from `offset` to `after` in records of an ordinary size. */
function sendRun(carrier: RawCarrier, streamId: number, [offset, after]: readonly [number, number]): void {
  for (let next = offset; next < after; next += 32_768) {
    carrier.send(data(streamId, next, Math.min(32_768, after - next)));
  }
}

describe('a session whose peer breaks the rules', () => {
  const cases: { name: string; role: 'client' | 'relay'; frames: Frame[] }[] = [
    { name: 'bytes beyond a stream window', role: 'relay', frames: [data(1, STREAM_WINDOW.initialBytes, 1)] },
    {
      name: 'an end beyond a stream window',
      role: 'relay',
      frames: [{ type: 'reset', streamId: 1, code: 0, finalOffset: STREAM_WINDOW.initialBytes + 1 }],
    },
    { name: 'an end that moves', role: 'relay', frames: [whole(1, 3), whole(1, 2)] },
    { name: 'bytes behind the end', role: 'relay', frames: [whole(1, 3), data(1, 3, 1)] },
    {
      name: 'a reset that contradicts the end',
      role: 'relay',
      frames: [whole(1, 3), { type: 'reset', streamId: 1, code: 0, finalOffset: 2 }],
    },
    { name: 'a stream that was never opened', role: 'client', frames: [data(1, 0, 1)] },
    { name: 'a relay that opens a stream', role: 'client', frames: [{ type: 'open', streamId: 1, target: TARGET }] },
    { name: 'stream ids far ahead', role: 'relay', frames: [{ type: 'open', streamId: 5000, target: TARGET }] },
  ];
  for (const { name, role, frames } of cases) {
    it(`ends: ${name}`, async () => {
      const peer = await createRawPeer(role);
      const carrier = await peer.attach();
      for (const frame of frames) carrier.send(frame);
      await peer.clock.settle();
      assert.deepEqual(peer.closed, [{ code: 'internal', by: 'us' }]);
      assert.equal(peer.session.streamCount, 0);
      assert.equal(peer.session.heldBytes, 0);
    });
  }

  it('ends when the session window is exceeded, though no stream window is', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    const streams = SESSION_WINDOW.maxBytes / STREAM_WINDOW.initialBytes;
    for (let id = 1; id <= streams; id += 1) {
      carrier.send({ type: 'open', streamId: id, target: TARGET });
      sendRun(carrier, id, [0, STREAM_WINDOW.initialBytes]);
      await peer.clock.settle();
      assert.ok(!peer.session.closed);
    }
    const unread = peer.session.heldBytes;
    // Beside them are the frames that tell of the windows, which this peer does not acknowledge.
    assert.ok(unread <= SESSION_WINDOW.maxBytes + 10_000, `${unread} bytes`);
    let sent = streams * STREAM_WINDOW.initialBytes;
    for (let id = streams + 1; !peer.session.closed && sent < 2 * SESSION_WINDOW.maxBytes; id += 1) {
      carrier.send({ type: 'open', streamId: id, target: TARGET });
      sendRun(carrier, id, [0, STREAM_WINDOW.initialBytes]);
      sent += STREAM_WINDOW.initialBytes;
      await peer.clock.settle();
    }
    assert.ok(peer.session.closed);
  });

  it('ends when there are too many streams', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    for (let id = 1; id <= MAX_SESSION_STREAMS; id += 1) carrier.send({ type: 'open', streamId: id, target: TARGET });
    await peer.clock.settle();
    assert.equal(peer.session.streamCount, MAX_SESSION_STREAMS);
    assert.ok(!peer.session.closed);
    carrier.send({ type: 'open', streamId: MAX_SESSION_STREAMS + 1, target: TARGET });
    await peer.clock.settle();
    assert.ok(peer.session.closed);
  });

  it('resets streams beyond the number that the relay allows', async () => {
    const peer = await createRawPeer('relay', { maxStreams: 2 });
    const carrier = await peer.attach();
    for (const streamId of [1, 2, 3]) carrier.send({ type: 'open', streamId, target: TARGET });
    await peer.clock.settle();
    assert.equal(peer.accepted.length, 2);
    assert.deepEqual(carrier.frames, [{ type: 'reset', streamId: 3, code: 6, finalOffset: 0 }]);
    assert.ok(!peer.session.closed);
  });

  it('ends when a peer asks for more answers than it takes', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.conn.removeAllListeners('data');
    carrier.conn.pause();
    const questions: Frame[] = Array.from({ length: 3000 }, () => ({ type: 'gone', carrierId: 9 }));
    let asked = 0;
    for (; asked < 100 && !peer.session.closed; asked += 1) {
      carrier.send(...questions);
      await peer.clock.settle();
    }
    assert.ok(peer.session.closed, 'answers pile up');
  });

  it('ends when the peer says so', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'ping' }, { type: 'close', code: 0 });
    await peer.clock.settle();
    assert.deepEqual(peer.closed, [{ code: 'cancelled', by: 'peer' }]);
  });
});

describe('a carrier on which a byte was changed', () => {
  for (const role of ['client', 'relay'] as const) {
    it(`is drained in silence by the ${role}, and the session goes on`, async () => {
      const peer = await createRawPeer(role);
      const first = await peer.attach();
      first.send({ type: 'ping' });
      await peer.clock.settle();
      const stream = role === 'client' ? peer.session.openStream(TARGET) : null;
      await peer.clock.advance(100);
      const recordsBefore = first.records.length;
      let ended = false;
      first.conn.on('end', () => {
        ended = true;
      });
      first.conn.write(Buffer.alloc(100, 7));
      await peer.clock.settle();
      stream?.write('moves on');
      assert.deepEqual(peer.lost, [{ id: 0, cause: 'not-authentic' }]);
      for (let round = 0; round < 50; round += 1) {
        first.conn.write(Buffer.alloc(50_000, round));
        await peer.clock.advance(100);
      }
      assert.equal(first.records.length, recordsBefore, 'something was written');
      assert.ok(!ended && !first.conn.destroyed, 'it was closed');
      assert.equal(first.conn.writableLength, 0, 'it is not drained');

      const second = await peer.attach();
      second.send({ type: 'ping' });
      await peer.clock.settle();
      assert.ok(second.frames.some((frame) => frame.type === 'gone' && frame.carrierId === 0));
      // The peer has seen all that was sent before, and the last word on it lets the rest be sent again.
      second.send({ type: 'gone', carrierId: 0 }, { type: 'ack', carrierId: 0, records: recordsBefore });
      await peer.clock.settle();
      if (stream !== null) {
        const bytes = second.frames.flatMap((frame) => (frame.type === 'data' ? [frame.bytes.toString()] : []));
        assert.deepEqual(bytes, ['moves on']);
      }
      assert.ok(second.frames.some((frame) => frame.type === 'gone') && !peer.session.closed);
    });
  }
});

describe('a relay session', () => {
  it('takes frames of a stream in any order over two carriers', async () => {
    const peer = await createRawPeer('relay');
    const [one, two] = [await peer.attach(), await peer.attach()];
    two.send({ type: 'data', streamId: 1, offset: 3, bytes: Buffer.from('def'), end: true });
    two.send({ type: 'window', streamId: 1, limit: 300_000 });
    await peer.clock.settle();
    assert.equal(peer.accepted.length, 0, 'a stream is announced without a target');
    one.send({ type: 'data', streamId: 1, offset: 0, bytes: Buffer.from('abc'), end: false });
    one.send({ type: 'open', streamId: 1, target: TARGET });
    two.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    assert.equal(peer.accepted.length, 1);
    const chunks: Buffer[] = [];
    peer.accepted[0]?.on('data', (chunk: Buffer) => chunks.push(chunk));
    await peer.clock.settle();
    assert.equal(Buffer.concat(chunks).toString(), 'abcdef');
  });

  it('survives a reset that comes before its stream, and does not announce what is over', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'reset', streamId: 1, code: 0, finalOffset: 10 });
    await peer.clock.settle();
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    assert.equal(peer.accepted.length, 0);
    assert.deepEqual(carrier.frames, [{ type: 'reset', streamId: 1, code: 0, finalOffset: 0 }]);
    carrier.send({ type: 'ack', carrierId: 0, records: carrier.records.length });
    await peer.clock.settle();
    assert.equal(peer.session.streamCount, 0);
    assert.equal(peer.session.heldBytes, 0);
    assert.ok(!peer.session.closed);
  });

  it('tells the end again when the carrier with it is lost and the client resets meanwhile', async () => {
    const peer = await createRawPeer('relay');
    const first = await peer.attach();
    first.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    peer.accepted[0]?.end('answer');
    await peer.clock.settle();
    assert.ok(first.frames.some((frame) => frame.type === 'data' && frame.end));
    first.conn.destroy();
    await peer.clock.settle();
    const second = await peer.attach();
    // Nothing of the first carrier has arrived, and the reset is in the same record as the word of it.
    second.send({ type: 'ack', carrierId: 0, records: 0 }, { type: 'reset', streamId: 1, code: 0, finalOffset: 0 });
    await peer.clock.settle();
    const resets = second.frames.filter(({ type }) => type === 'reset');
    assert.deepEqual(resets, [{ type: 'reset', streamId: 1, code: 0, finalOffset: 6 }]);
    second.send({ type: 'ack', carrierId: 1, records: second.records.length });
    await peer.clock.settle();
    assert.equal(peer.session.streamCount, 0);
  });

  it('holds nothing of a stream that it has reset', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    sendRun(carrier, 1, [1, 200_001]);
    await peer.clock.settle();
    assert.equal(peer.session.heldBytes, 200_001);
    peer.accepted[0]?.reset('forbidden');
    await peer.clock.settle();
    carrier.send({ type: 'ack', carrierId: 0, records: carrier.records.length });
    await peer.clock.settle();
    assert.equal(peer.session.heldBytes, 0);
    sendRun(carrier, 1, [200_001, 220_000]);
    carrier.send({ type: 'reset', streamId: 1, code: 0, finalOffset: 220_000 });
    await peer.clock.settle();
    assert.equal(peer.session.heldBytes, 0);
    assert.equal(peer.session.streamCount, 0);
  });

  it('keeps its accounts when a reader destroys the stream while it is handed bytes', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    const [stream] = peer.accepted;
    stream?.on('data', () => stream.destroy());
    carrier.send(data(1, 0, 5000), data(1, 5000, 5000));
    await peer.clock.settle();
    carrier.send({ type: 'ack', carrierId: 0, records: carrier.records.length });
    await peer.clock.settle();
    assert.equal(peer.session.heldBytes, 0);
  });

  it('does not keep large records for the sake of a few bytes in them', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    carrier.send(data(1, 0, 1), data(2, 0, 120_000));
    await peer.clock.settle();
    const chunk: Buffer | null = peer.accepted[0]?.read() ?? null;
    assert.equal(chunk?.length, 1);
    assert.ok(chunk.buffer.byteLength < 100_000);
  });

  it('frees the memory of what was read only where nothing else of it waits', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, index) => (index * 7 + (index >> 8)) & 0xff));
    const send = (offset: number, after: number) =>
      carrier.send({ type: 'data', streamId: 1, offset, bytes: bytes.subarray(offset, after), end: false });
    carrier.send({ type: 'open', streamId: 1, target: TARGET });
    // The second run lies on both sides of the first.
    send(50_000, 60_000);
    send(20_000, 100_000);
    send(0, 20_000);
    await peer.clock.settle();
    const [stream] = peer.accepted;
    const chunks: Buffer[] = [];
    stream?.on('data', (chunk: Buffer) => {
      chunks.push(Buffer.from(chunk));
      stream.releaseRead(chunk);
    });
    await peer.clock.settle();
    assert.ok(Buffer.concat(chunks).equals(bytes), 'bytes are missing');
  });

  it('gives up carriers on which nothing has come for long, and knows that it is detached', async () => {
    const peer = await createRawPeer('relay');
    const carrier = await peer.attach();
    carrier.send({ type: 'ping' });
    await peer.clock.advance(SILENT_CARRIER_MS - 1000);
    carrier.send({ type: 'ping' });
    await peer.clock.advance(SILENT_CARRIER_MS - 1000);
    assert.ok(peer.session.attached);
    await peer.clock.advance(40_000);
    assert.ok(!peer.session.attached);
    assert.deepEqual(peer.lost, [{ id: 0, cause: 'stalled' }]);
    assert.equal(peer.session.carriers.length, 0);
  });

  it('lets the most silent carrier go when there is one too many', async () => {
    const peer = await createRawPeer('relay');
    const carriers: RawCarrier[] = [];
    for (let count = 0; count < MAX_SESSION_CARRIERS; count += 1) {
      carriers.push(await peer.attach());
      await peer.clock.advance(10);
    }
    carriers[0]?.send({ type: 'ping' });
    await peer.clock.advance(10);
    assert.ok(peer.session.mayAdd(99));
    await peer.attach();
    assert.deepEqual(peer.lost, [{ id: 1, cause: 'crowded-out' }]);
    assert.equal(peer.session.carriers.length, MAX_SESSION_CARRIERS);
    await peer.clock.settle();
    assert.ok(carriers[0]?.frames.some((frame) => frame.type === 'gone' && frame.carrierId === 1));
  });

  it('sends nothing on a carrier before a record under its keys has come', async () => {
    const peer = await createRawPeer('relay');
    const first = await peer.attach();
    first.send({ type: 'open', streamId: 1, target: TARGET });
    await peer.clock.settle();
    const second = await peer.attach();
    peer.accepted[0]?.write('over the first');
    peer.session.sendDrain();
    await peer.clock.advance(1000);
    assert.equal(second.records.length, 0);
    assert.ok(first.frames.some(({ type }) => type === 'data'));
    second.send({ type: 'ping' });
    await peer.clock.settle();
    peer.accepted[0]?.write('over the second');
    await peer.clock.settle();
    assert.ok(second.frames.some(({ type }) => type === 'data'));
  });
});

describe('a client session', () => {
  it('asks for an answer where an acknowledgement has to arrive', async () => {
    const peer = await createRawPeer('client');
    const carrier = await peer.attach();
    await peer.clock.settle();
    carrier.send({ type: 'ack', carrierId: 0, records: carrier.records.length });
    await peer.clock.settle();
    carrier.records.length = 0;
    carrier.send({ type: 'gone', carrierId: 77 });
    await peer.clock.advance(100);
    const answer = carrier.records.find((frames) =>
      frames.some((frame) => frame.type === 'ack' && frame.carrierId === 77 && frame.records === 0),
    );
    assert.ok(
      answer?.some(({ type }) => type === 'ping'),
      'nobody would acknowledge it',
    );
  });

  it('gives a stream that is over when too many are open, or none can be', async () => {
    const peer = await createRawPeer('client');
    await peer.attach();
    let count = 0;
    for (; count < 10_000; count += 1) if (peer.session.openStream(TARGET).destroyed) break;
    assert.ok(count < MAX_SESSION_STREAMS);
    await assert.rejects(peer.session.openStream(TARGET).opened, { resetCode: 'busy' });
    peer.session.close('cancelled');
    await assert.rejects(peer.session.openStream(TARGET).opened, { resetCode: 'session-lost' });
    assert.equal(peer.session.streamCount, 0);
    assert.equal(peer.session.heldBytes, 0);
  });

  it('holds nothing when it is closed, whatever was waiting', async () => {
    const peer = await createRawPeer('client');
    const stream = peer.session.openStream(TARGET);
    stream.write(Buffer.alloc(100_000));
    assert.ok(peer.session.heldBytes > 0);
    peer.session.close('cancelled');
    assert.equal(peer.session.heldBytes, 0);
  });

  it('notices a connection that broke before it was added', async () => {
    const peer = await createRawPeer('client');
    const dial = peer.network.dial.bind(peer.network);
    peer.network.dial = async (address, options) => {
      const conn = await dial(address, options);
      conn.destroy();
      return conn;
    };
    const { carrier } = await peer.attach();
    assert.ok(carrier.lost);
    assert.deepEqual(peer.lost, [{ id: 0, cause: 'closed' }]);
  });
});
