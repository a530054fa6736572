import type { Clock } from '../env.ts';

/** The last time that a first flight can tell (docs/spec/wire.md §3.1). */
const LAST_STAMP_MS = 2 ** 48 - 1;

/**
 * The client's idea of the relays' time. Until a relay has told its own, stamps are this machine's and marked as unsynced; afterwards they
 * follow the relay's clock by the monotonic one, so that a user who sets the time breaks nothing.
 */
export class RelayClock {
  readonly #clock: Clock;
  #offsetMs: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The time for a first flight, in milliseconds since 1970. */
  stamp(): { stampMs: number; synced: boolean } {
    if (this.#offsetMs === null) return { stampMs: Math.floor(this.#clock.wallMs()), synced: false };
    const stampMs = Math.floor(this.#clock.monotonicMs() + this.#offsetMs);
    return { stampMs: Math.min(LAST_STAMP_MS, stampMs), synced: true };
  }

  /** Takes over what an authenticated reply said. */
  correct(relayTimeMs: number): void {
    this.#offsetMs = relayTimeMs - this.#clock.monotonicMs();
  }

  /** Forgets the correction: a relay did not answer a synced flight, and one of the clocks may have jumped. */
  forget(): void {
    this.#offsetMs = null;
  }
}
