import type { Env } from '@rozan/tunnel';
import { PROGRESS_MS } from '../limits.ts';
import { type AttemptFailure, FailureCounts } from './failures.ts';

/** The most entries that one line of an account names. */
const MAX_NAMED_RELAYS = 12;

/** How far the attempts of now have come. */
export interface Progress {
  /** Candidates in flight. */
  readonly trying: number;
  /** Candidates that have failed in this pass. */
  readonly failed: number;
  /** Candidates there are. */
  readonly ways: number;
}

/**
 * Tells whoever wants to know what is being tried, once a second, and at the end of each pass why what has failed did: one event for each
 * kind of failure.
 */
export class Account {
  readonly #env: Env;
  readonly #startMs: number;
  #failures = new FailureCounts();
  #toldMs = Number.NEGATIVE_INFINITY;

  constructor(env: Env) {
    this.#env = env;
    this.#startMs = env.clock.monotonicMs();
  }

  get #afterMs(): number {
    return Math.round(this.#env.clock.monotonicMs() - this.#startMs);
  }

  add(failure: AttemptFailure): void {
    this.#failures.add(failure);
  }

  progress({ trying, failed, ways }: Progress): void {
    const nowMs = this.#env.clock.monotonicMs();
    if (nowMs - this.#toldMs < PROGRESS_MS) return;
    this.#toldMs = nowMs;
    this.#env.log({ event: 'establish.trying', trying, failed, ways, afterMs: this.#afterMs });
  }

  /** Ends a pass. */
  over(connected: boolean, { failed, ways }: Progress): void {
    const kinds = new Map<
      string,
      { transport: string; phase: string; code: string; count: number; tags: Set<string> }
    >();
    for (const { tag, transport, phase, code, count } of this.#failures.take()) {
      const key = `${transport} ${phase} ${code}`;
      const kind = kinds.get(key) ?? { transport, phase, code, count: 0, tags: new Set<string>() };
      kind.count += count;
      kind.tags.add(tag);
      kinds.set(key, kind);
    }
    for (const { tags, ...kind } of [...kinds.values()].sort((a, b) => b.count - a.count)) {
      const relays = [...tags].slice(0, MAX_NAMED_RELAYS);
      this.#env.log({ event: 'establish.failures', ...kind, relayCount: tags.size, relays });
    }
    this.#env.log({ event: 'establish.over', connected, failed, ways, afterMs: this.#afterMs });
  }
}
