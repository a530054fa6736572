/** Clocks are not finer than this: a burst counts as at least so long. */
const LEAST_MS = 1;

/**
 * Bytes that were sent together, and how long they took to come. A sender that may send only so much in a round trip shows the path's rate
 * by how close together its bytes arrive, and not by how many they are. Pure.
 */
export class Burst {
  #bytes = 0;
  /** Of what came first, nobody knows how long it took. */
  #firstBytes = 0;
  #sentSinceMs = 0;
  #sentUntilMs = Number.NEGATIVE_INFINITY;
  #arrivedSinceMs = 0;
  #arrivedUntilMs = 0;

  /** Bytes in it so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Bytes per millisecond that the path has shown: no more than at which they were sent. */
  get rate(): number {
    const sentMs = this.#sentUntilMs - this.#sentSinceMs;
    const timedBytes = this.#bytes === this.#firstBytes ? this.#bytes : this.#bytes - this.#firstBytes;
    return timedBytes / Math.max(LEAST_MS, sentMs, this.#arrivedUntilMs - this.#arrivedSinceMs);
  }

  /** Adds bytes; those that were sent more than `gapMs` after the last begin another burst. The two times may be of different clocks. */
  add(bytes: number, times: { readonly sentMs: number; readonly arrivedMs: number; readonly gapMs: number }): void {
    const { sentMs, arrivedMs, gapMs } = times;
    if (sentMs - this.#sentUntilMs > gapMs) {
      this.#bytes = 0;
      this.#firstBytes = bytes;
      this.#sentSinceMs = sentMs;
      this.#arrivedSinceMs = arrivedMs;
    }
    this.#bytes += bytes;
    this.#sentUntilMs = sentMs;
    this.#arrivedUntilMs = arrivedMs;
  }

  /** What is added next begins another burst. */
  end(): void {
    this.#sentUntilMs = Number.NEGATIVE_INFINITY;
  }
}
