import { type CancelTimer, type Clock, type Conn, TunnelError } from '@rozan/tunnel';
import { EgressError } from './egress-error.ts';

/** Puts the families in turns, beginning with the one of the first address (RFC 8305 §4), and keeps the order inside each. */
export function interleaveFamilies(literals: readonly string[]): readonly string[] {
  const unique = [...new Set(literals)];
  const first = unique[0]?.includes(':');
  const preferred = unique.filter((literal) => literal.includes(':') === first);
  const others = unique.filter((literal) => literal.includes(':') !== first);
  const result: string[] = [];
  for (let index = 0; index < Math.max(preferred.length, others.length); index += 1) {
    result.push(...preferred.slice(index, index + 1), ...others.slice(index, index + 1));
  }
  return result;
}

/** How `raceConnect` goes about it. */
export interface RaceOptions {
  /** Connects to one address. Must end soon after its signal is aborted. */
  readonly attempt: (literal: string, signal: AbortSignal) => Promise<Conn>;
  readonly staggerMs: number;
  readonly signal: AbortSignal;
}

/** What the client is told when every attempt has failed: the answer that says most about the destination. */
const MOST_TELLING = ['refused', 'timed-out', 'unreachable', 'forbidden'] as const;

function egressErrorOf(errors: readonly unknown[]): EgressError {
  const codes = new Set(
    errors.map((error) => {
      if (error instanceof EgressError) return error.resetCode;
      const code = error instanceof TunnelError ? error.code : 'failed';
      return code === 'refused' || code === 'timed-out' ? code : 'unreachable';
    }),
  );
  return new EgressError(MOST_TELLING.find((code) => codes.has(code)) ?? 'unreachable');
}

/** One race: state that lives until the first success, the last failure or the abort. */
class Race {
  readonly #clock: Clock;
  readonly #options: RaceOptions;
  readonly #waiting: string[];
  readonly #losers = new AbortController();
  readonly #errors: unknown[] = [];
  readonly #outcome = Promise.withResolvers<Conn>();
  #cancelTimer: CancelTimer = () => undefined;
  #running = 0;
  #isOver = false;

  constructor(clock: Clock, literals: readonly string[], options: RaceOptions) {
    this.#clock = clock;
    this.#options = options;
    this.#waiting = [...literals];
  }

  run(): Promise<Conn> {
    const { signal } = this.#options;
    const onAbort = (): void => this.#end(() => this.#outcome.reject(signal.reason));
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    this.#next();
    return this.#outcome.promise.finally(() => signal.removeEventListener('abort', onAbort));
  }

  #next(): void {
    this.#cancelTimer();
    if (this.#isOver) return;
    const literal = this.#waiting.shift();
    if (literal === undefined) {
      if (this.#running === 0) this.#end(() => this.#outcome.reject(egressErrorOf(this.#errors)));
      return;
    }
    this.#running += 1;
    if (this.#waiting.length > 0) {
      this.#cancelTimer = this.#clock.setTimer(this.#options.staggerMs, () => this.#next());
    }
    this.#options.attempt(literal, this.#losers.signal).then(
      (conn) => this.#win(conn),
      (error: unknown) => {
        this.#running -= 1;
        this.#errors.push(error);
        this.#next();
      },
    );
  }

  #win(conn: Conn): void {
    this.#running -= 1;
    if (!this.#isOver) {
      this.#end(() => this.#outcome.resolve(conn));
      return;
    }
    conn.on('error', () => undefined);
    conn.destroy();
  }

  #end(settle: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    settle();
    // Without attempts under way there is nobody to tell, and an abort costs an error with a stack.
    if (this.#running > 0) this.#losers.abort();
  }
}

/**
 * Connects to the first address that answers, starting one attempt after the other without waiting for failures (RFC 8305 §5).
 * The losers are aborted, and destroyed if they connect all the same. Rejects with an `EgressError` once all have failed,
 * or with the signal's reason.
 */
export function raceConnect(clock: Clock, literals: readonly string[], options: RaceOptions): Promise<Conn> {
  return new Race(clock, literals, options).run();
}
