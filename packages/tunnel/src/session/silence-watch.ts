import type { CancelTimer, Env } from '../env.ts';
import { RELAY_WATCH_MS, SILENT_CARRIER_MS } from '../limits.ts';
import type { Carrier } from './carrier.ts';

/**
 * Finds the carriers of a relay's session on which nothing comes any more. A client that went without a word leaves them behind, and they
 * must not hold the session for ever.
 */
export class SilenceWatch {
  readonly #env: Env;
  readonly #carriers: () => readonly Carrier[];
  readonly #giveUp: (carrier: Carrier) => void;
  #cancel: CancelTimer | null = null;

  constructor(env: Env, carriers: () => readonly Carrier[], giveUp: (carrier: Carrier) => void) {
    this.#env = env;
    this.#carriers = carriers;
    this.#giveUp = giveUp;
  }

  /** Watches for as long as there are carriers. */
  start(): void {
    this.#cancel ??= this.#env.clock.setTimer(RELAY_WATCH_MS, () => {
      this.#cancel = null;
      const nowMs = this.#env.clock.monotonicMs();
      for (const carrier of this.#carriers()) {
        if (nowMs - carrier.lastReceivedMs >= SILENT_CARRIER_MS) this.#giveUp(carrier);
      }
      if (this.#carriers().length > 0) this.start();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}
