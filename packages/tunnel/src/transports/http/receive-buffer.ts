import { Reassembly } from '@rozan/protocol';
import type { Frame } from './frame.ts';
import { WINDOW_BYTES, WINDOW_STEP_BYTES } from './limits.ts';

/** The receiving half of a stream of bytes: puts frames in order, and says how far the sender may go. Pure. */
export class ReceiveBuffer {
  readonly #reassembly = new Reassembly();
  #consumed = 0;
  #told = WINDOW_BYTES;

  /** What has arrived: all bytes before this offset; one more when the end has. */
  get ack(): number {
    return this.#reassembly.next + (this.complete ? 1 : 0);
  }

  /** Bytes up to this offset are taken. */
  get limit(): number {
    return this.#consumed + WINDOW_BYTES;
  }

  /** Whether everything up to the end has arrived. */
  get complete(): boolean {
    return this.#reassembly.complete;
  }

  /** Bytes before which there is no gap. */
  get arrived(): number {
    return this.#reassembly.next;
  }

  /** Whether the sender should hear of the limit: it knows a much lower one. */
  get owesLimit(): boolean {
    return !this.complete && this.limit - this.#told >= WINDOW_STEP_BYTES;
  }

  /** The sender is being told of the limit. */
  tell(): number {
    this.#told = Math.max(this.#told, this.limit);
    return this.limit;
  }

  /** What was told may not have arrived. */
  doubt(): void {
    this.#told = 0;
  }

  /** Takes a frame; returns what is in order now. Throws a `ProtocolError` (`violation`) for what breaks the limit or contradicts itself. */
  insert(frame: Frame): Buffer[] {
    const ready: Buffer[] = [];
    let { offset } = frame;
    const last = frame.pieces.length - 1;
    frame.pieces.forEach((piece, index) => {
      ready.push(...this.#insert(offset, piece, frame.end && index === last));
      offset += piece.length;
    });
    if (last < 0 && frame.end) this.#insert(offset, Buffer.alloc(0), true);
    return ready;
  }

  #insert(offset: number, bytes: Buffer, end: boolean): Buffer[] {
    if (offset + bytes.length > this.limit) return [];
    return this.#reassembly.insert(offset, bytes, end);
  }

  /** The reader has taken so many bytes. */
  consume(bytes: number): void {
    this.#consumed += bytes;
  }
}
