import { ProtocolError } from './errors.ts';

/** The largest value of a variable-length integer here: what a JavaScript number holds exactly. */
export const MAX_VARINT: number = Number.MAX_SAFE_INTEGER;

/** Bytes that `writeVarint` needs for `value`: 1, 2, 4 or 8 (RFC 9000 §16). */
export function varintLength(value: number): 1 | 2 | 4 | 8 {
  if (value < 0x40) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x4000_0000) return 4;
  return 8;
}

/** Writes `value` (0 … 2^53 − 1) at `offset` as a variable-length integer (RFC 9000 §16) and returns the offset behind it. */
export function writeVarint(target: Buffer, value: number, offset: number): number {
  if (value < 0x40) return target.writeUInt8(value, offset);
  if (value < 0x4000) return target.writeUInt16BE(value | 0x4000, offset);
  if (value < 0x4000_0000) return target.writeUInt32BE(value + 0x8000_0000, offset);
  if (value > MAX_VARINT) throw new ProtocolError('out-of-bounds', 'integer too large for a varint');
  const high = Math.floor(value / 0x1_0000_0000);
  target.writeUInt32BE(high + 0xc000_0000, offset);
  return target.writeUInt32BE(value % 0x1_0000_0000, offset + 4);
}

/** Reads values from bytes in order. Each read throws a `ProtocolError` (`truncated`, `out-of-bounds`) instead of reading past the end. */
export class ByteReader {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Bytes not yet read. */
  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #advance(count: number): number {
    const start = this.#offset;
    if (count > this.#bytes.length - start) throw new ProtocolError('truncated', 'the bytes end too early');
    this.#offset = start + count;
    return start;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#advance(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16BE(this.#advance(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32BE(this.#advance(4));
  }

  /** A variable-length integer (RFC 9000 §16) of at most 2^53 − 1. */
  varint(): number {
    const first = this.uint8();
    switch (first >> 6) {
      case 0:
        return first;
      case 1:
        return (first & 0x3f) * 0x100 + this.uint8();
      case 2:
        return (first & 0x3f) * 0x100_0000 + this.#bytes.readUIntBE(this.#advance(3), 3);
      default: {
        const high = (first & 0x3f) * 0x100_0000 + this.#bytes.readUIntBE(this.#advance(3), 3);
        const value = high * 0x1_0000_0000 + this.uint32();
        if (value > MAX_VARINT) throw new ProtocolError('out-of-bounds', 'varint above 2^53 - 1');
        return value;
      }
    }
  }

  /** The next `count` bytes, as a view and not a copy. */
  bytes(count: number): Buffer {
    const start = this.#advance(count);
    return this.#bytes.subarray(start, start + count);
  }

  /** All that is left, as a view. */
  rest(): Buffer {
    return this.bytes(this.remaining);
  }
}
