/** Runs below this are put together with the small ones before them: what a run costs beside its bytes must not be more than they. */
const SMALL_BYTES = 1024;
/** Small enough that nobody frees it as a whole (see `freeMemory`). */
const GATHER_BYTES = 8 * 1024;

/**
 * Bytes in order, in the buffers in which they came, but for many small ones: those share one. Bytes that were taken stay as they are.
 */
export class ByteQueue {
  #runs: Buffer[] = [];
  #head = 0;
  #bytes = 0;
  /** Where the last run lies if it was put together, and how much of it is used. */
  #gather: Buffer = Buffer.alloc(0);
  #gathered = 0;

  /** Bytes in it. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Buffers in it. */
  get runs(): number {
    return this.#runs.length - this.#head;
  }

  push(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#bytes += bytes.length;
    const last = this.runs > 0 ? this.#runs.at(-1) : undefined;
    if (bytes.length >= SMALL_BYTES || last === undefined) this.#runs.push(bytes);
    else if (last.buffer === this.#gather.buffer && this.#gathered + bytes.length <= GATHER_BYTES) {
      this.#append(last.byteOffset - this.#gather.byteOffset, bytes);
    } else if (last.length < SMALL_BYTES) {
      this.#gather = Buffer.allocUnsafeSlow(GATHER_BYTES);
      this.#gathered = last.copy(this.#gather);
      this.#append(0, bytes);
    } else this.#runs.push(bytes);
  }

  /** Behind what was used nobody has a view, so that bytes given out before do not change. */
  #append(start: number, bytes: Buffer): void {
    this.#gathered += bytes.copy(this.#gather, this.#gathered);
    this.#runs[this.#runs.length - 1] = this.#gather.subarray(start, this.#gathered);
  }

  /** Takes the first buffer, or its first `maxBytes` (≥ 1) bytes; nothing when the queue is empty. */
  take(maxBytes: number = Number.POSITIVE_INFINITY): Buffer | undefined {
    const first = this.#runs[this.#head];
    if (first === undefined) return undefined;
    if (first.length > maxBytes) {
      this.#runs[this.#head] = first.subarray(maxBytes);
      this.#bytes -= maxBytes;
      return first.subarray(0, maxBytes);
    }
    this.#bytes -= first.length;
    this.#head += 1;
    if (this.#head === this.#runs.length || this.#head > 64 + this.#runs.length / 2) {
      this.#runs = this.#runs.slice(this.#head);
      this.#head = 0;
    }
    return first;
  }

  clear(): void {
    this.#runs = [];
    this.#head = 0;
    this.#bytes = 0;
  }
}
