/** A rate in the long run, and what may come at once. */
export interface TokenBucketBounds {
  readonly perSecond: number;
  readonly burst: number;
}

/** Lets `burst` events happen at once and `perSecond` in the long run. */
export class TokenBucket {
  readonly #bounds: TokenBucketBounds;
  #tokens: number;
  #filledMs: number;

  constructor(bounds: TokenBucketBounds, nowMs: number) {
    this.#bounds = bounds;
    this.#tokens = bounds.burst;
    this.#filledMs = nowMs;
  }

  /** Takes one token if there is one. */
  take(nowMs: number): boolean {
    this.#fill(nowMs);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  #fill(nowMs: number): void {
    const { perSecond, burst } = this.#bounds;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledMs) * perSecond) / 1000);
    this.#filledMs = nowMs;
  }
}
