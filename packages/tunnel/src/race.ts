import type { Clock } from './env.ts';

/** One attempt. It must end soon after its signal aborts, and leave nothing open then. */
export type Attempt<T> = (signal: AbortSignal) => Promise<T>;

/** How a race is run. */
export interface RaceOptions<T> {
  /** A further attempt starts when none has ended for this long, or at once when one has failed. */
  readonly staggerMs: number;
  /** Aborts the whole race. */
  readonly signal: AbortSignal;
  /** Gets what a loser brought home after all. */
  readonly discard: (result: T) => void;
  /** Whether a failure is an answer, so that further attempts make no sense. */
  readonly isFinal?: ((error: unknown) => boolean) | undefined;
  /** What the race rejects with when it has failed; the last failure without. */
  readonly failureOf?: ((errors: readonly unknown[]) => unknown) | undefined;
}

/**
 * Runs attempts in order, staggered; the first that succeeds wins and the others are aborted (RFC 8305 §5). Rejects once one has failed
 * for good or all have failed, or with the signal's reason.
 */
export function race<T>(clock: Clock, attempts: readonly Attempt<T>[], options: RaceOptions<T>): Promise<T> {
  const { staggerMs, signal, discard, isFinal, failureOf = (errors) => errors.at(-1) } = options;
  return new Promise((resolve, reject) => {
    const losers = new AbortController();
    const errors: unknown[] = [];
    let isOver = false;
    let next = 0;
    let running = 0;
    let cancelTimer = () => {};

    const settle = (act: () => void) => {
      if (isOver) return;
      isOver = true;
      cancelTimer();
      signal.removeEventListener('abort', onAbort);
      act();
      // Without attempts under way there is nobody to tell, and an abort costs an error with a stack.
      if (running > 0) losers.abort();
    };
    const onAbort = () => settle(() => reject(signal.reason));
    const onFailure = (error: unknown) => {
      running -= 1;
      errors.push(error);
      if (isFinal?.(error) || (running === 0 && next >= attempts.length)) settle(() => reject(failureOf(errors)));
      else startNext();
    };
    const onSuccess = (result: T) => {
      running -= 1;
      if (isOver) discard(result);
      else settle(() => resolve(result));
    };
    const startNext = () => {
      cancelTimer();
      const attempt = attempts[next];
      if (attempt === undefined || isOver) return;
      next += 1;
      running += 1;
      if (next < attempts.length) cancelTimer = clock.setTimer(staggerMs, startNext);
      attempt(losers.signal).then(onSuccess, onFailure);
    };

    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    else if (attempts.length === 0) settle(() => reject(new Error('there is nothing to try')));
    else startNext();
  });
}
