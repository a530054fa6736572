import type { Clock } from '../../env.ts';
import { SUSPECT_MS } from '../../limits.ts';

/** Each stall halves the patience, down to this. */
const LEAST_SUSPECT_MS = 2000;
/** A stall is forgotten after so long. */
const STALL_MS = 120_000;

/**
 * How long a carrier may be silent before it is suspect. Where carriers fall silent while others live, somebody lets them run dry, and will do it again:
 * waiting as long for each of them as for the first would keep a person waiting for minutes under a limit that is not yet known.
 */
export class SilencePatience {
  readonly #clock: Clock;
  readonly #mostMs: number;
  #stallsMs: number[] = [];

  /** `mostMs`: the patience while nothing has stalled. */
  constructor(clock: Clock, mostMs: number = SUSPECT_MS) {
    this.#clock = clock;
    this.#mostMs = mostMs;
  }

  /** In milliseconds; a slow path needs more than that. */
  get suspectMs(): number {
    const sinceMs = this.#clock.monotonicMs() - STALL_MS;
    this.#stallsMs = this.#stallsMs.filter((stallMs) => stallMs >= sinceMs);
    return Math.min(this.#mostMs, Math.max(LEAST_SUSPECT_MS, this.#mostMs / 2 ** this.#stallsMs.length));
  }

  /** A carrier was given up for its silence while another lived. */
  noteStall(): void {
    this.#stallsMs = [...this.#stallsMs, this.#clock.monotonicMs()].slice(-8);
  }
}
