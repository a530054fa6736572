import type { ResetCode } from '@rozan/protocol';
import type { Clock, Target } from '@rozan/tunnel';
import { RECENT_FAILURE_MS, RECENT_FAILURES } from './limits.ts';

/** The failures that say something about the target, and so will most likely come again. */
const TELLING: ReadonlySet<ResetCode> = new Set(['refused', 'unreachable', 'name-not-found', 'forbidden']);

/**
 * Targets that failed a moment ago: asked for again at once, they are refused with the true reason instead of with a promise that breaks.
 * In memory only, small, and forgotten within seconds.
 */
export class RecentFailures {
  readonly #clock: Clock;
  readonly #failures = new Map<string, { code: ResetCode; untilMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(target: Target, code: ResetCode): void {
    if (!TELLING.has(code)) return;
    const key = keyOf(target);
    this.#failures.delete(key);
    this.#failures.set(key, { code, untilMs: this.#clock.monotonicMs() + RECENT_FAILURE_MS });
    const [oldest] = this.#failures.keys();
    if (this.#failures.size > RECENT_FAILURES && oldest !== undefined) this.#failures.delete(oldest);
  }

  /** Why the target failed a moment ago, or null. */
  find(target: Target): ResetCode | null {
    const failure = this.#failures.get(keyOf(target));
    if (failure === undefined) return null;
    if (failure.untilMs > this.#clock.monotonicMs()) return failure.code;
    this.#failures.delete(keyOf(target));
    return null;
  }
}

function keyOf({ host, port }: Target): string {
  return `${host.toLowerCase()} ${port}`;
}
