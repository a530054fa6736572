import {
  type ControlFrame,
  type DataFrame,
  type DatagramFrame,
  encodeControlFrame,
  MAX_DATA_HEADER_BYTES,
  MAX_DATAGRAM_HEADER_BYTES,
  writeDatagramHeader,
  writeDataHeader,
} from './frame.ts';

/** Pieces up to this size are copied beside their headers; larger ones stay where they are. */
const COPY_BYTES = 2048;
const SCRATCH_BYTES = 32 * 1024;

/**
 * Collects the frames of one record as few pieces, without copying large ones. The pieces live in a scratch buffer that the next record
 * overwrites, so they have to be sealed before.
 */
export class RecordBuilder {
  readonly #scratch = Buffer.allocUnsafe(SCRATCH_BYTES);
  #pieces: Buffer[] = [];
  #start = 0;
  #end = 0;
  #bytes = 0;

  /** Plaintext bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  #copy(bytes: Buffer): void {
    if (bytes.length > SCRATCH_BYTES - this.#end) {
      this.#flush();
      this.#pieces.push(bytes);
      return;
    }
    bytes.copy(this.#scratch, this.#end);
    this.#end += bytes.length;
  }

  #flush(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#scratch.subarray(this.#start, this.#end));
    this.#start = this.#end;
  }

  /** Adds a frame without stream bytes. */
  control(frame: ControlFrame): void {
    const bytes = encodeControlFrame(frame);
    this.#copy(bytes);
    this.#bytes += bytes.length;
  }

  /** Adds stream bytes. */
  data(frame: Omit<DataFrame, 'type'>): void {
    if (SCRATCH_BYTES - this.#end < MAX_DATA_HEADER_BYTES) {
      const header = Buffer.allocUnsafe(MAX_DATA_HEADER_BYTES);
      this.#copy(header.subarray(0, writeDataHeader(header, frame, 0)));
    } else {
      this.#end = writeDataHeader(this.#scratch, frame, this.#end);
    }
    this.#body(frame.bytes);
    this.#bytes += MAX_DATA_HEADER_BYTES + frame.bytes.length;
  }

  /** Adds a datagram. */
  datagram(frame: Omit<DatagramFrame, 'type'>): void {
    const start = this.#end;
    if (SCRATCH_BYTES - start < MAX_DATAGRAM_HEADER_BYTES) {
      const header = Buffer.allocUnsafe(MAX_DATAGRAM_HEADER_BYTES);
      const length = writeDatagramHeader(header, frame, 0);
      this.#copy(header.subarray(0, length));
      this.#bytes += length;
    } else {
      this.#end = writeDatagramHeader(this.#scratch, frame, start);
      this.#bytes += this.#end - start;
    }
    this.#body(frame.bytes);
    this.#bytes += frame.bytes.length;
  }

  #body(bytes: Buffer): void {
    if (bytes.length <= COPY_BYTES) {
      this.#copy(bytes);
      return;
    }
    this.#flush();
    this.#pieces.push(bytes);
  }

  /** Adds `bytes` (≥ 1) of padding, which has to be the last. */
  padding(bytes: number): void {
    this.#copy(Buffer.alloc(bytes));
    this.#bytes += bytes;
  }

  /** The record's plaintext in pieces, valid until the next frame is added; the builder is empty afterwards. */
  take(): Buffer[] {
    this.#flush();
    const pieces = this.#pieces;
    this.#pieces = [];
    this.#start = 0;
    this.#end = 0;
    this.#bytes = 0;
    return pieces;
  }
}
