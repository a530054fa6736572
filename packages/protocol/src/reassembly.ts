import { ProtocolError } from './errors.ts';

/**
 * The most runs of bytes that a stream holds while an earlier one is missing. Neighbours that are too large to be joined count each, so it has to be
 * above the largest window (28 MiB) in runs of just over half of `JOINED_BYTES`: who keeps to the window must never break this.
 */
export const MAX_GAPS = 32_768;

/** Runs that follow each other are put together up to this size: what a run costs beside its bytes must not be more than they. */
const JOINED_BYTES = 2048;

interface Run {
  readonly offset: number;
  readonly bytes: Buffer;
}

/**
 * The receiving half of a stream: puts pieces in order whatever order, overlap or repetition they arrive in. Pure. Bytes that it holds lie
 * below the flow-control limit that the caller checks, so memory is bounded by the window.
 */
export class Reassembly {
  #next = 0;
  #highest = 0;
  #final: number | null = null;
  /** Runs beyond `#next`, by ascending offset, not overlapping. */
  #held: Run[] = [];
  #isDiscarding = false;

  /** The offset up to which all bytes have come out of `insert`. */
  get next(): number {
    return this.#next;
  }

  /** The highest offset seen, which is what counts against flow control. */
  get highest(): number {
    return this.#highest;
  }

  /** Where the stream ends, once that is known. */
  get final(): number | null {
    return this.#final;
  }

  /** Whether every byte up to the end has come out. */
  get complete(): boolean {
    return this.#final !== null && this.#next >= this.#final;
  }

  /** Runs that are held while an earlier one is missing. */
  get heldRuns(): number {
    return this.#held.length;
  }

  /** Takes note that the stream ends at `offset`. Throws `violation` when that contradicts what came before. */
  setFinal(offset: number): void {
    if ((this.#final !== null && this.#final !== offset) || offset < this.#highest) {
      throw new ProtocolError('violation', 'the end of a stream moved');
    }
    this.#final = offset;
    this.#highest = offset;
  }

  /** Nobody will read any more: lets go of what is held, and from now on only keeps count. */
  discard(): void {
    this.#held = [];
    this.#isDiscarding = true;
  }

  /** Adds bytes at an offset and returns those that are now in order, as views. Throws `violation`. */
  insert(offset: number, bytes: Buffer, end: boolean): Buffer[] {
    const after = offset + bytes.length;
    if (this.#final !== null && after > this.#final)
      throw new ProtocolError('violation', 'bytes beyond the end of a stream');
    if (after > this.#highest) this.#highest = after;
    if (end) this.setFinal(after);
    if (this.#isDiscarding || after <= this.#next) return [];
    if (offset > this.#next) {
      this.#hold(offset, bytes);
      return [];
    }
    const ready = [offset === this.#next ? bytes : bytes.subarray(this.#next - offset)];
    this.#next = after;
    if (this.#held.length > 0) this.#release(ready);
    return ready;
  }

  #release(ready: Buffer[]): void {
    let count = 0;
    for (const run of this.#held) {
      if (run.offset > this.#next) break;
      count += 1;
      const after = run.offset + run.bytes.length;
      if (after <= this.#next) continue;
      ready.push(run.bytes.subarray(this.#next - run.offset));
      this.#next = after;
    }
    if (count > 0) this.#held.splice(0, count);
  }

  /** The index of the first run that begins behind `offset`. */
  #indexBehind(offset: number): number {
    let low = 0;
    let high = this.#held.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#held[middle]?.offset ?? offset) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  /** Puts a run in at `index`, or makes it part of the one before; returns the index behind it. */
  #keep(index: number, run: Run): number {
    const before = this.#held[index - 1];
    const joinedBytes = run.bytes.length + (before?.bytes.length ?? 0);
    if (
      before === undefined ||
      before.offset + joinedBytes !== run.offset + run.bytes.length ||
      joinedBytes > JOINED_BYTES
    ) {
      this.#held.splice(index, 0, run);
      return index + 1;
    }
    // Not from the pool, of which a few bytes would keep a large part.
    const bytes = Buffer.allocUnsafeSlow(joinedBytes);
    run.bytes.copy(bytes, before.bytes.copy(bytes));
    this.#held[index - 1] = { offset: before.offset, bytes };
    return index;
  }

  /** Keeps a run for later; what is already held wins over its repetition. */
  #hold(offset: number, bytes: Buffer): void {
    let index = this.#indexBehind(offset);
    const before = this.#held[index - 1];
    let from = offset;
    const after = offset + bytes.length;
    if (before !== undefined) from = Math.max(from, before.offset + before.bytes.length);
    while (from < after) {
      const next = this.#held[index];
      const until = next === undefined ? after : Math.min(after, next.offset);
      if (until > from) {
        index = this.#keep(index, { offset: from, bytes: bytes.subarray(from - offset, until - offset) });
      }
      if (next === undefined) break;
      from = Math.max(from, next.offset + next.bytes.length);
      index += 1;
    }
    if (this.#held.length > MAX_GAPS) throw new ProtocolError('violation', 'too many gaps in a stream');
  }
}
