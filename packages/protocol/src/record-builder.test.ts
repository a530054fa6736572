import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type DataFrame, type DatagramFrame, encodeFrame, type Frame } from './frame.ts';
import { RecordBuilder } from './record-builder.ts';
import { anyFrame } from './testing/frames.ts';

/** DATA frames on both sides of the size from which bytes are not copied any more. */
const bigData: fc.Arbitrary<DataFrame> = fc
  .tuple(fc.nat({ max: 5000 }), fc.nat({ max: 255 }))
  .map(([length, fill]) => ({ type: 'data', streamId: 1, offset: 7, bytes: Buffer.alloc(length, fill), end: false }));

/** The same of datagrams. */
const bigDatagram: fc.Arbitrary<DatagramFrame> = bigData.map(({ bytes }) => ({
  type: 'datagram',
  flowId: 3,
  target: Buffer.alloc(7, 1),
  bytes,
}));

function add(builder: RecordBuilder, frame: Frame): void {
  if (frame.type === 'data') builder.data(frame);
  else if (frame.type === 'datagram') builder.datagram(frame);
  else builder.control(frame);
}

describe('RecordBuilder', () => {
  it('gives the frames as encoded one by one, record after record, and counts at least their bytes', () => {
    const record = fc.array(fc.oneof(anyFrame, bigData, bigDatagram), { maxLength: 40 });
    fc.assert(
      fc.property(fc.array(record, { maxLength: 4 }), fc.nat({ max: 300 }), (records, padding) => {
        const builder = new RecordBuilder();
        for (const frames of records) {
          for (const frame of frames) add(builder, frame);
          if (padding > 0) builder.padding(padding);
          const expected = Buffer.concat([...frames.map(encodeFrame), Buffer.alloc(padding)]);
          assert.ok(builder.bytes >= expected.length);
          assert.deepEqual(Buffer.concat(builder.take()), expected);
          assert.equal(builder.bytes, 0);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('holds more than its scratch space', () => {
    const builder = new RecordBuilder();
    const frames: Frame[] = [];
    for (let index = 0; index < 60; index += 1) {
      const bytes = Buffer.alloc(index % 3 === 0 ? 1900 : 30, index);
      frames.push({ type: 'data', streamId: 2 ** 40, offset: 2 ** 50 + index, bytes, end: index === 59 });
      frames.push({ type: 'window', streamId: index, limit: 2 ** 52 });
    }
    for (const frame of frames) add(builder, frame);
    assert.deepEqual(Buffer.concat(builder.take()), Buffer.concat(frames.map(encodeFrame)));
  });

  it('does not copy what is large', () => {
    const builder = new RecordBuilder();
    const bytes = Buffer.alloc(60_000, 1);
    builder.control({ type: 'ping' });
    builder.data({ streamId: 1, offset: 0, bytes, end: false });
    builder.control({ type: 'drain' });
    const pieces = builder.take();
    assert.equal(pieces.length, 3);
    assert.equal(pieces[1], bytes);
  });
});
