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
/** What a builder keeps: enough for most records, and little for sessions on which nothing happens. */
const SCRATCH_BYTES = 1024;
/** What it takes for the rest of a record that needs more, and gives back. */
const BLOCK_BYTES = 16 * 1024;

/**
 * Collects the frames of one record as few pieces, without copying large ones. The pieces live in a scratch buffer that the next record
 * overwrites, so they have to be sealed before.
 */
export class RecordBuilder {
  readonly #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #block: Buffer = this.#scratch;
  #pieces: Buffer[] = [];
  #start = 0;
  #end = 0;
  #bytes = 0;

  /** Plaintext bytes so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Has room for `bytes` from `#end` on. */
  #reserve(bytes: number): void {
    if (bytes <= this.#block.length - this.#end) return;
    this.#flush();
    this.#block = Buffer.allocUnsafe(Math.max(BLOCK_BYTES, bytes));
    this.#start = 0;
    this.#end = 0;
  }

  #copy(bytes: Buffer): void {
    this.#reserve(bytes.length);
    bytes.copy(this.#block, this.#end);
    this.#end += bytes.length;
  }

  #flush(): void {
    if (this.#end > this.#start) this.#pieces.push(this.#block.subarray(this.#start, this.#end));
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
    this.#reserve(MAX_DATA_HEADER_BYTES);
    this.#end = writeDataHeader(this.#block, frame, this.#end);
    this.#body(frame.bytes);
    this.#bytes += MAX_DATA_HEADER_BYTES + frame.bytes.length;
  }

  /** Adds a datagram. */
  datagram(frame: Omit<DatagramFrame, 'type'>): void {
    this.#reserve(MAX_DATAGRAM_HEADER_BYTES);
    const start = this.#end;
    this.#end = writeDatagramHeader(this.#block, frame, start);
    this.#bytes += this.#end - start;
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
    this.#block = this.#scratch;
    this.#start = 0;
    this.#end = 0;
    this.#bytes = 0;
    return pieces;
  }
}
