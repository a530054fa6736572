import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError, type ProtocolErrorCode } from './errors.ts';
import {
  dataHeaderBytes,
  decodeFrames,
  encodeFrame,
  type Frame,
  MAX_DATA_HEADER_BYTES,
  MAX_DATAGRAM_BYTES,
  MAX_TARGET_BYTES,
} from './frame.ts';
import { anyFrame } from './testing/frames.ts';

interface FrameVectors {
  readonly frames: readonly { readonly bytes: string; readonly frame: object }[];
  readonly records: readonly { readonly name: string; readonly bytes: string; readonly frames: readonly object[] }[];
  readonly refused: readonly { readonly name: string; readonly bytes: string; readonly code: ProtocolErrorCode }[];
}

const vectors: FrameVectors = JSON.parse(
  readFileSync(new URL('./vectors/frames.json', import.meta.url), { encoding: 'utf8' }),
);

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** The frame as the vectors write it: bytes in hexadecimal. */
function plain(frame: Frame): object {
  return Object.fromEntries(
    Object.entries(frame).map(([key, value]) => [key, Buffer.isBuffer(value) ? value.toString('hex') : value]),
  );
}

/** The frame that a vector stands for. */
function frameOf(vector: object): Frame {
  const bytesOf = (key: string, value: unknown) => (key === 'bytes' || key === 'target' ? hex(String(value)) : value);
  return Object.fromEntries(
    Object.entries(vector).map(([key, value]) => [key, bytesOf(key, value)]),
  ) as unknown as Frame;
}

describe('frames', () => {
  it('have the layout of the vectors', () => {
    for (const { bytes, frame } of vectors.frames) {
      assert.equal(encodeFrame(frameOf(frame)).toString('hex'), bytes);
      assert.deepEqual(decodeFrames(hex(bytes)).map(plain), [frame]);
    }
    assert.equal(new Set(vectors.frames.map(({ bytes }) => bytes.slice(0, 2))).size, 18);
  });

  for (const { name, bytes, frames } of vectors.records) {
    it(`are read from a record: ${name}`, () => assert.deepEqual(decodeFrames(hex(bytes)).map(plain), frames));
  }

  for (const { name, bytes, code } of vectors.refused) {
    it(`are refused: ${name}`, () => {
      assert.throws(
        () => decodeFrames(hex(bytes)),
        (error) => error instanceof ProtocolError && error.code === code,
      );
    });
  }

  it('come out of a record as they went in, whatever padding follows', () => {
    fc.assert(
      fc.property(fc.array(anyFrame, { maxLength: 12 }), fc.nat({ max: 64 }), (frames, padding) => {
        const record = Buffer.concat([...frames.map(encodeFrame), Buffer.alloc(padding)]);
        assert.deepEqual(decodeFrames(record).map(plain), frames.map(plain));
      }),
    );
  });

  it('are refused when the last of them is cut at any byte', () => {
    fc.assert(
      fc.property(anyFrame, anyFrame, (first, last) => {
        const head = encodeFrame(first);
        const tail = encodeFrame(last);
        for (let length = 1; length < tail.length; length += 1) {
          assert.throws(
            () => decodeFrames(Buffer.concat([head, tail.subarray(0, length)])),
            (error) => error instanceof ProtocolError && error.code === 'truncated',
          );
        }
      }),
    );
  });

  it('fail only in the way of the package, on any bytes', () => {
    const byte = fc.oneof(
      { weight: 3, arbitrary: fc.nat({ max: 0x13 }) },
      { weight: 2, arbitrary: fc.nat({ max: 255 }) },
    );
    fc.assert(
      fc.property(fc.array(byte, { maxLength: 80 }), (bytes) => {
        try {
          for (const frame of decodeFrames(Buffer.from(bytes))) {
            if (frame.type === 'data') assert.ok(Number.isSafeInteger(frame.offset + frame.bytes.length));
            if (frame.type === 'open') assert.ok(frame.target.length <= MAX_TARGET_BYTES);
            if (frame.type === 'datagram') assert.ok(frame.target.length <= MAX_TARGET_BYTES);
          }
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('say beforehand what the header of stream bytes takes', () => {
    fc.assert(
      fc.property(anyFrame, (frame) => {
        if (frame.type !== 'data') return;
        const header = dataHeaderBytes(frame.streamId, frame.offset, frame.bytes.length);
        assert.equal(encodeFrame(frame).length, header + frame.bytes.length);
        assert.ok(header <= MAX_DATA_HEADER_BYTES);
      }),
    );
  });

  it('hold a datagram of any size that UDP has, and no more', () => {
    const flow = { type: 'datagram', flowId: 1, target: Buffer.from('01c000020101bb', 'hex') } as const;
    const largest = { ...flow, bytes: Buffer.alloc(MAX_DATAGRAM_BYTES, 7) };
    assert.deepEqual(decodeFrames(encodeFrame(largest)).map(plain), [plain(largest)]);
    assert.throws(
      () => decodeFrames(encodeFrame({ ...flow, bytes: Buffer.alloc(MAX_DATAGRAM_BYTES + 1) })),
      (error) => error instanceof ProtocolError && error.code === 'out-of-bounds',
    );
  });

  it('give stream bytes as views of the record', () => {
    const record = encodeFrame({ type: 'data', streamId: 1, offset: 0, bytes: Buffer.alloc(5000, 1), end: true });
    const [frame] = decodeFrames(record);
    assert.ok(frame?.type === 'data');
    assert.equal(frame.bytes.buffer, record.buffer);
  });
});
