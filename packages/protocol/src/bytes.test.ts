import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteReader, MAX_VARINT, varintLength, writeVarint } from './bytes.ts';
import { ProtocolError, type ProtocolErrorCode } from './errors.ts';

function encode(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  return bytes.subarray(0, writeVarint(bytes, value, 0));
}

function refusedWith(code: ProtocolErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ProtocolError && error.code === code;
}

/** Numbers of every length, and the two on either side of each border. */
const number = fc.oneof(
  fc.constantFrom(0, 63, 64, 16383, 16384, 2 ** 30 - 1, 2 ** 30, 2 ** 32 - 1, 2 ** 32, MAX_VARINT),
  fc.integer({ min: 0, max: 2 ** 31 - 1 }),
  fc.maxSafeNat(),
);

describe('varint', () => {
  it('follows the examples of RFC 9000, appendix A.1', () => {
    for (const [value, hex] of [
      [494_878_333, '9d7f3e7d'],
      [15_293, '7bbd'],
      [37, '25'],
    ] as const) {
      assert.equal(encode(value).toString('hex'), hex);
      assert.equal(new ByteReader(Buffer.from(hex, 'hex')).varint(), value);
    }
    assert.equal(new ByteReader(Buffer.from('4025', 'hex')).varint(), 37);
    // A valid integer of the RFC, but more than a number holds exactly.
    assert.throws(() => new ByteReader(Buffer.from('c2197c5eff14e88c', 'hex')).varint(), refusedWith('out-of-bounds'));
  });

  it('comes back, in the bytes it says', () => {
    fc.assert(
      fc.property(number, (value) => {
        const bytes = encode(value);
        assert.equal(bytes.length, varintLength(value));
        const reader = new ByteReader(bytes);
        assert.equal(reader.varint(), value);
        assert.equal(reader.remaining, 0);
      }),
    );
  });

  it('agrees with a naive twin on any eight bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 8, maxLength: 8 }), (array) => {
        const bytes = Buffer.from(array);
        const length = 1 << ((bytes[0] ?? 0) >> 6);
        const digits = Buffer.from(bytes.subarray(0, length));
        digits.writeUInt8((digits[0] ?? 0) & 0x3f, 0);
        const expected = BigInt(`0x${digits.toString('hex')}`);
        const reader = new ByteReader(bytes);
        if (expected > BigInt(MAX_VARINT)) assert.throws(() => reader.varint(), refusedWith('out-of-bounds'));
        else {
          assert.equal(BigInt(reader.varint()), expected);
          assert.equal(reader.remaining, 8 - length);
        }
      }),
    );
  });

  it('is truncated at every length but its own', () => {
    fc.assert(
      fc.property(number, (value) => {
        const bytes = encode(value);
        for (let length = 0; length < bytes.length; length += 1) {
          assert.throws(() => new ByteReader(bytes.subarray(0, length)).varint(), refusedWith('truncated'));
        }
      }),
    );
  });

  it('refuses to write more than 2^53 - 1', () => {
    assert.throws(() => encode(MAX_VARINT + 1), refusedWith('out-of-bounds'));
  });
});

describe('ByteReader', () => {
  it('reads in order and gives views', () => {
    const bytes = Buffer.from('01020304050607aabbcc', 'hex');
    const reader = new ByteReader(bytes);
    assert.equal(reader.uint8(), 1);
    assert.equal(reader.uint16(), 0x0203);
    assert.equal(reader.uint32(), 0x04050607);
    const view = reader.bytes(1);
    assert.equal(view.buffer, bytes.buffer);
    assert.equal(view.toString('hex'), 'aa');
    assert.equal(reader.rest().toString('hex'), 'bbcc');
    assert.equal(reader.remaining, 0);
    assert.equal(reader.rest().length, 0);
  });

  it('stops at the end and stays where it was', () => {
    const reader = new ByteReader(Buffer.of(1));
    for (const read of [() => reader.uint16(), () => reader.uint32(), () => reader.bytes(2)]) {
      assert.throws(read, refusedWith('truncated'));
    }
    assert.equal(reader.uint8(), 1);
    assert.throws(() => reader.uint8(), refusedWith('truncated'));
    assert.equal(reader.bytes(0).length, 0);
  });
});
