// Records of TLS 1.3 as they look from outside (RFC 8446 §5): a head, and what is encrypted behind it.
import { TunnelError } from '../../../errors.ts';
import type { Framer, Unframer } from '../framing.ts';

export const RECORD = { changeCipherSpec: 20, alert: 21, handshake: 22, data: 23 } as const;

const HEAD_BYTES = 5;
/** What encryption adds: the type of the content, and a tag. */
export const SEAL_BYTES = 17;
const MOST_CONTENT_BYTES = 16_384;
const MOST_RECORD_BYTES = MOST_CONTENT_BYTES + 256;
/** An alert has two bytes, and so no content of ours has. */
const ALERT_BYTES = 2;
/** Random bytes are drawn for so many seals at once. */
const POOL_SEALS = 64;

export const CHANGE_CIPHER_SPEC: Buffer = Buffer.from('140303000101', 'hex');

type DrawBytes = (count: number) => Buffer;

function headOf(contentBytes: number): Buffer {
  const recordBytes = contentBytes + SEAL_BYTES;
  return Buffer.of(RECORD.data, 3, 3, recordBytes >> 8, recordBytes & 0xff);
}

/** A record of data with random bytes where content and tag would be. */
export function opaqueRecord(contentBytes: number, drawBytes: DrawBytes): Buffer {
  return Buffer.concat([headOf(contentBytes), drawBytes(contentBytes + SEAL_BYTES)]);
}

/** An alert that nobody can read, as it goes before an end. */
export function opaqueAlert(drawBytes: DrawBytes): Buffer {
  return opaqueRecord(ALERT_BYTES, drawBytes);
}

/** Writes records of data. `makeFirst` gives what goes before the first. */
export class RecordFramer implements Framer {
  readonly #drawBytes: DrawBytes;
  #makeFirst: (() => Buffer) | null;
  #pool: Buffer = Buffer.alloc(0);

  constructor(drawBytes: DrawBytes, makeFirst: () => Buffer) {
    this.#drawBytes = drawBytes;
    this.#makeFirst = makeFirst;
  }

  #takeFirst(): Buffer[] {
    const first = this.#makeFirst?.();
    this.#makeFirst = null;
    return first === undefined ? [] : [first];
  }

  #seal(): Buffer {
    if (this.#pool.length === 0) this.#pool = this.#drawBytes(POOL_SEALS * SEAL_BYTES);
    const seal = this.#pool.subarray(0, SEAL_BYTES);
    this.#pool = this.#pool.subarray(SEAL_BYTES);
    return seal;
  }

  frame(bytes: Buffer): readonly Buffer[] {
    const pieces = this.#takeFirst();
    const isFirst = pieces.length > 0;
    for (let at = 0; at < bytes.length; ) {
      const content = bytes.subarray(at, at + MOST_CONTENT_BYTES);
      const count = content.length === ALERT_BYTES ? 1 : content.length;
      pieces.push(headOf(count), content.subarray(0, count), this.#seal());
      at += count;
    }
    // The first goes out in one piece, as a program that has it ready writes it.
    return isFirst ? [Buffer.concat(pieces)] : pieces;
  }

  end(): readonly Buffer[] {
    return [...this.#takeFirst(), opaqueAlert(this.#drawBytes)];
  }
}

/** What has to come before the data: a ChangeCipherSpec or not, and records whose content is nobody's. */
export interface BeforeData {
  readonly changesCipherSpec: boolean;
  readonly records: number;
}

/** Reads records of data. */
export class RecordUnframer implements Unframer {
  #before: { changesCipherSpec: boolean; records: number };
  #head: Buffer = Buffer.alloc(0);
  /** Bytes of the present record that are still to come: of its content, and behind it. */
  #contentLeft = 0;
  #sealLeft = 0;
  hasEnded = false;

  constructor(before: BeforeData) {
    this.#before = { ...before };
  }

  push(bytes: Buffer, onBytes: (bytes: Buffer) => void): void {
    let at = 0;
    while (at < bytes.length && !this.hasEnded) {
      if (this.#contentLeft > 0) {
        const piece = bytes.subarray(at, at + this.#contentLeft);
        this.#contentLeft -= piece.length;
        at += piece.length;
        onBytes(piece);
      } else if (this.#sealLeft > 0) {
        const count = Math.min(this.#sealLeft, bytes.length - at);
        this.#sealLeft -= count;
        at += count;
      } else at += this.#takeHead(bytes.subarray(at));
    }
  }

  #takeHead(bytes: Buffer): number {
    const wanted = HEAD_BYTES - this.#head.length;
    const piece = bytes.subarray(0, wanted);
    this.#head = this.#head.length === 0 ? Buffer.from(piece) : Buffer.concat([this.#head, piece]);
    if (this.#head.length === HEAD_BYTES) {
      this.#begin(this.#head[0] ?? 0, this.#head.readUInt16BE(1), this.#head.readUInt16BE(3));
      this.#head = Buffer.alloc(0);
    }
    return piece.length;
  }

  #begin(type: number, version: number, recordBytes: number): void {
    if (version !== 0x0303 || recordBytes > MOST_RECORD_BYTES) throw violation();
    if (this.#before.changesCipherSpec) {
      if (type !== RECORD.changeCipherSpec || recordBytes !== 1) throw violation();
      this.#before.changesCipherSpec = false;
      this.#sealLeft = 1;
      return;
    }
    if (type !== RECORD.data || recordBytes <= SEAL_BYTES) throw violation();
    if (this.#before.records > 0) {
      this.#before.records -= 1;
      this.#sealLeft = recordBytes;
    } else if (recordBytes === ALERT_BYTES + SEAL_BYTES) this.hasEnded = true;
    else {
      this.#contentLeft = recordBytes - SEAL_BYTES;
      this.#sealLeft = SEAL_BYTES;
    }
  }
}

function violation(): TunnelError {
  return new TunnelError('violation', 'not a record of TLS 1.3');
}
