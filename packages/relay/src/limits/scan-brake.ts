import { SCAN_BOUNDS } from './constants.ts';

/**
 * Notices scanning: many distinct targets that fail in a short time. A page with a few dead links, or one dead site tried again
 * and again, is none. Failures are kept as short hashes, in two halves of the window, of which the older is forgotten as a whole.
 */
export class ScanBrake {
  readonly #threshold: number;
  #recent = new Set<string>();
  #older = new Set<string>();
  #halfStartMs: number;

  constructor(threshold: number, nowMs: number) {
    this.#threshold = threshold;
    this.#halfStartMs = nowMs;
  }

  /** Notes that a dial failed; `targetHash` tells targets apart and nothing else. */
  noteFailure(targetHash: string, nowMs: number): void {
    this.#turn(nowMs);
    // Beyond twice the threshold the delay is at its longest: more would only cost memory.
    if (this.#recent.size < 2 * this.#threshold && !this.#older.has(targetHash)) this.#recent.add(targetHash);
  }

  /** How long the next dial must wait: nothing below the threshold, then ever longer. */
  delayMs(nowMs: number): number {
    this.#turn(nowMs);
    const excess = this.#recent.size + this.#older.size - this.#threshold;
    if (excess < 0) return 0;
    const doublings = Math.floor((4 * excess) / this.#threshold);
    return Math.min(SCAN_BOUNDS.longestDelayMs, SCAN_BOUNDS.firstDelayMs * 2 ** doublings);
  }

  /** Whether it remembers nothing. */
  isEmpty(nowMs: number): boolean {
    this.#turn(nowMs);
    return this.#recent.size + this.#older.size === 0;
  }

  #turn(nowMs: number): void {
    const halfMs = SCAN_BOUNDS.windowMs / 2;
    if (nowMs - this.#halfStartMs < halfMs) return;
    this.#older = nowMs - this.#halfStartMs < 2 * halfMs ? this.#recent : new Set();
    this.#recent = new Set();
    this.#halfStartMs = nowMs;
  }
}
