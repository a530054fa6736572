import { Burst } from './burst.ts';

/** Bounds of a window in bytes. */
export interface WindowBounds {
  readonly initialBytes: number;
  readonly maxBytes: number;
}

/** What windows that grow take together beyond their first sizes. A step of one takes at most half of what is left, so that others can grow too. */
export interface GrowthPool {
  leftBytes: number;
}

/** A window that was used up faster than this counts as the bottleneck, whatever the round trip (loopback has almost none). */
const QUICK_MS = 10;
/** A step makes a window at least so many times as large, if there is room, and at most. */
const LEAST_GROWTH = 2;
const MOST_GROWTH = 8;
/** A limit is told when it has moved by half of the window; of a large one more often, or the peer would send in gusts. */
const TOLD_BYTES = 512 * 1024;
/** A step that the pool cuts below this share of the window is not worth what it takes from others. */
const LEAST_STEP = 1 / 4;

/**
 * How much a receiver lets its peer send: a limit that moves with what the reader consumes, and a size that grows while the peer uses it
 * up within two round trips, so that it follows the path's bandwidth × delay (compare RFC 9000 §4.2). It doubles then; where what came
 * came in a short burst, it grows at once to what the path would bring in a round trip at that rate. Pure.
 */
export class ReceiveWindow {
  #bytes: number;
  #consumed = 0;
  #limit: number;
  /** Bytes consumed since the size was looked at last, and when that was. */
  #usedBytes = 0;
  #usedSinceMs: number;
  /** What has been consumed without a break. */
  readonly #burst = new Burst();
  readonly #maxBytes: number;
  readonly #pool: GrowthPool;
  #grownBytes = 0;

  /** @param pool shared with other windows; without it the window is bounded by itself only */
  constructor(bounds: WindowBounds, nowMs: number, pool: GrowthPool = { leftBytes: Number.POSITIVE_INFINITY }) {
    this.#pool = pool;
    this.#bytes = bounds.initialBytes;
    this.#limit = bounds.initialBytes;
    this.#maxBytes = bounds.maxBytes;
    this.#usedSinceMs = nowMs;
  }

  /** The peer may send bytes below this offset. */
  get limit(): number {
    return this.#limit;
  }

  /** Bytes consumed so far. */
  get consumed(): number {
    return this.#consumed;
  }

  /** The window's present size in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** By how much it has grown because it was used up quickly, or was widened. */
  get grownBytes(): number {
    return this.#grownBytes;
  }

  /**
   * Notes that the peer has sent up to `receivedBytes`; returns the new limit when the peer should hear of it, else null. Bytes that nobody
   * reads let the window of several streams grow, up to its bound: they must not take the place of those that somebody waits for.
   */
  crowd(receivedBytes: number): number | null {
    if (receivedBytes - this.#consumed <= this.#bytes / 2) return null;
    this.#bytes = Math.min(this.#maxBytes, this.#bytes * 2);
    const limit = this.#consumed + this.#bytes;
    // A small step is not worth a frame.
    if (limit - this.#limit < this.#bytes / 8) return null;
    this.#limit = limit;
    return limit;
  }

  /** Notes that the reader has consumed `bytes`; returns the new limit when the peer should hear of it, else null. */
  consume(bytes: number, nowMs: number, roundTripMs: number): number | null {
    this.#consumed += bytes;
    this.#burst.add(bytes, { sentMs: nowMs, arrivedMs: nowMs, gapMs: roundTripMs / 4 });
    this.#usedBytes += bytes;
    if (this.#usedBytes >= this.#bytes / 2) {
      this.#usedBytes = 0;
      if (nowMs - this.#usedSinceMs < 2 * roundTripMs + QUICK_MS) {
        const pathBytes = this.#burst.rate * roundTripMs;
        this.#grow(Math.min(MOST_GROWTH * this.#bytes, Math.max(LEAST_GROWTH * this.#bytes, pathBytes)));
      }
      this.#usedSinceMs = nowMs;
    }
    const limit = this.#consumed + this.#bytes;
    if (limit - this.#limit < Math.min(this.#bytes / 2, Math.max(TOLD_BYTES, this.#bytes / 8))) return null;
    this.#limit = limit;
    return limit;
  }

  #grow(toBytes: number): void {
    const wanted = Math.min(this.#maxBytes, Math.floor(toBytes)) - this.#bytes;
    const step = Math.min(wanted, Math.floor(this.#pool.leftBytes / 2));
    if (step < wanted && step < this.#bytes * LEAST_STEP) return;
    this.#take(step);
  }

  #take(step: number): void {
    this.#pool.leftBytes -= step;
    this.#grownBytes += step;
    this.#bytes += step;
  }

  /**
   * Grows to `toBytes` before anything has come, because of what is known of the path; returns the new limit when the peer should hear of
   * it, else null. Nothing shows yet that it will be used, so it takes only what is above `reservedBytes` in the pool.
   */
  widen(toBytes: number, reservedBytes: number): number | null {
    const wanted = Math.min(this.#maxBytes, Math.floor(toBytes)) - this.#bytes;
    const step = Math.min(wanted, this.#pool.leftBytes - reservedBytes);
    if (step < this.#bytes) return null;
    this.#take(step);
    this.#limit = this.#consumed + this.#bytes;
    return this.#limit;
  }

  /** Nothing more can come: gives back what it has taken from the pool. */
  release(): void {
    this.#pool.leftBytes += this.#grownBytes;
    this.#grownBytes = 0;
  }
}
