import { ProtocolError } from '@rozan/protocol';

/** A range of the stream, as it goes into a message. Offsets count the stream's end as one more byte behind the last. */
export interface Segment {
  readonly offset: number;
  readonly pieces: readonly Buffer[];
  /** Bytes in `pieces`. */
  readonly bytes: number;
  /** The stream's end follows. */
  readonly end: boolean;
}

/** From the first offset to before the second. */
export type Range = readonly [from: number, until: number];

/** Where a segment lies. */
export function rangeOf({ offset, bytes, end }: Segment): Range {
  return [offset, offset + bytes + (end ? 1 : 0)];
}

interface Chunk {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** The sending half of a stream of bytes: keeps what is not acknowledged, and gives out again what is lost. Pure. */
export class SendBuffer {
  #chunks: Chunk[] = [];
  #total = 0;
  #next = 0;
  #acked = 0;
  #hasEnded = false;
  /** Ranges to be sent again, by offset, not overlapping. */
  #lost: Range[] = [];

  /** Bytes that were never given out; the end counts as one. */
  get unsent(): number {
    return this.#total + (this.#hasEnded ? 1 : 0) - this.#next;
  }

  /** Bytes that are kept. */
  get kept(): number {
    return this.#total - Math.min(this.#acked, this.#total);
  }

  /** Whether the end has been acknowledged, and with it everything. */
  get complete(): boolean {
    return this.#hasEnded && this.#acked > this.#total;
  }

  /** Whether the end has been said. */
  get ended(): boolean {
    return this.#hasEnded;
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#chunks.push({ offset: this.#total, bytes });
    this.#total += bytes.length;
  }

  end(): void {
    this.#hasEnded = true;
  }

  /** Whether `take` has something to give below `limit`. */
  hasWork(limit: number): boolean {
    if (this.#lost.length > 0) return true;
    return this.#next < Math.min(this.#total, limit) || (this.#hasEnded && this.#next === this.#total);
  }

  /** Bytes that `take` would give below `limit`, what was lost included. */
  available(limit: number): number {
    let bytes = Math.max(0, Math.min(this.#total, limit) - this.#next);
    for (const [from, until] of this.#lost) bytes += until - from;
    return bytes;
  }

  /** The next bytes, at most `maxBytes` (≥ 1) and below `limit`: what was lost first; null if there are none. The end needs no room. */
  take(maxBytes: number, limit: number): Segment | null {
    const [lost] = this.#lost;
    if (lost !== undefined) {
      const until = Math.min(lost[1], lost[0] + maxBytes);
      const segment = this.#segment(lost[0], until);
      const after = rangeOf(segment)[1];
      if (after < lost[1]) this.#lost[0] = [after, lost[1]];
      else this.#lost.shift();
      return segment;
    }
    if (!this.hasWork(limit)) return null;
    const until = Math.min(this.#total, limit, this.#next + maxBytes);
    const segment = this.#segment(this.#next, Math.max(this.#next, until));
    this.#next = rangeOf(segment)[1];
    return segment;
  }

  /** What lies in a range must be sent again, but for what is acknowledged. */
  lose([from, until]: Range): void {
    let start = Math.max(from, this.#acked);
    let end = Math.min(until, this.#next);
    if (start >= end) return;
    const others: Range[] = [];
    for (const range of this.#lost) {
      if (range[1] < start || range[0] > end) others.push(range);
      else {
        start = Math.min(start, range[0]);
        end = Math.max(end, range[1]);
      }
    }
    others.push([start, end]);
    this.#lost = others.sort(([left], [right]) => left - right);
  }

  /** All before `offset` has arrived. Throws a `ProtocolError` (`violation`) if that was never sent. */
  ack(offset: number): void {
    if (offset > this.#next) throw new ProtocolError('violation', 'bytes are acknowledged that were never sent');
    if (offset <= this.#acked) return;
    this.#acked = offset;
    let count = 0;
    for (const { offset: start, bytes } of this.#chunks) {
      if (start + bytes.length > offset) break;
      count += 1;
    }
    if (count > 0) this.#chunks.splice(0, count);
    while (this.#lost[0] !== undefined && this.#lost[0][0] < offset) {
      const until = this.#lost[0][1];
      if (until > offset) this.#lost[0] = [offset, until];
      else this.#lost.shift();
    }
  }

  /** Lets go of everything. */
  clear(): void {
    this.#chunks = [];
    this.#lost = [];
  }

  #segment(from: number, until: number): Segment {
    const dataUntil = Math.min(until, this.#total);
    const pieces: Buffer[] = [];
    for (let index = this.#indexAt(from); index < this.#chunks.length; index += 1) {
      const chunk = this.#chunks[index];
      if (chunk === undefined || chunk.offset >= dataUntil) break;
      const piece = chunk.bytes.subarray(Math.max(0, from - chunk.offset), dataUntil - chunk.offset);
      if (piece.length > 0) pieces.push(piece);
    }
    const bytes = Math.max(0, dataUntil - from);
    return { offset: from, pieces, bytes, end: this.#hasEnded && from + bytes === this.#total };
  }

  /** The index of the chunk in which an offset lies. */
  #indexAt(offset: number): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const chunk = this.#chunks[middle];
      if (chunk !== undefined && chunk.offset + chunk.bytes.length <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
