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

/**
 * How much a receiver lets its peer send: a limit that moves with what the reader consumes, and a size that doubles while the peer uses it
 * up within two round trips, so that it follows the path's bandwidth × delay (compare RFC 9000 §4.2). Pure.
 */
export class ReceiveWindow {
  #bytes: number;
  #consumed = 0;
  #limit: number;
  #raisedMs: number;
  readonly #maxBytes: number;
  readonly #pool: GrowthPool;
  #grownBytes = 0;

  /** @param pool shared with other windows; without it the window is bounded by itself only */
  constructor(bounds: WindowBounds, nowMs: number, pool: GrowthPool = { leftBytes: Number.POSITIVE_INFINITY }) {
    this.#pool = pool;
    this.#bytes = bounds.initialBytes;
    this.#limit = bounds.initialBytes;
    this.#maxBytes = bounds.maxBytes;
    this.#raisedMs = nowMs;
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
    if (this.#limit - this.#consumed > this.#bytes / 2) return null;
    if (nowMs - this.#raisedMs < 2 * roundTripMs + QUICK_MS) this.#grow();
    this.#raisedMs = nowMs;
    this.#limit = this.#consumed + this.#bytes;
    return this.#limit;
  }

  #grow(): void {
    const step = Math.min(this.#maxBytes, this.#bytes * 2) - this.#bytes;
    if (step > this.#pool.leftBytes / 2) return;
    this.#pool.leftBytes -= step;
    this.#grownBytes += step;
    this.#bytes += step;
  }

  /** Nothing more can come: gives back what it has taken from the pool. */
  release(): void {
    this.#pool.leftBytes += this.#grownBytes;
    this.#grownBytes = 0;
  }
}
