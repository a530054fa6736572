import type { Env } from '@rozan/tunnel';

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
  readonly isFinal?: (error: unknown) => boolean;
}

/**
 * Runs attempts in order, staggered; the first that succeeds wins and the others are aborted. Rejects with the first final failure,
 * with the last failure when all have failed, or with the signal's reason.
 */
export function race<T>(env: Env, attempts: readonly Attempt<T>[], options: RaceOptions<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const over = new AbortController();
    let next = 0;
    let running = 0;
    let cancelTimer = () => {};

    const settle = (act: () => void) => {
      if (over.signal.aborted) return;
      cancelTimer();
      options.signal.removeEventListener('abort', onAbort);
      act();
      over.abort(new DOMException('another attempt was first', 'AbortError'));
    };
    const onAbort = () => settle(() => reject(options.signal.reason));
    const onFailure = (error: unknown) => {
      running -= 1;
      if (options.isFinal?.(error) || (running === 0 && next >= attempts.length)) settle(() => reject(error));
      else startNext();
    };
    const startNext = () => {
      cancelTimer();
      const attempt = attempts[next];
      if (attempt === undefined || over.signal.aborted) return;
      next += 1;
      running += 1;
      cancelTimer = env.clock.setTimer(options.staggerMs, startNext);
      attempt(over.signal).then((result) => {
        if (over.signal.aborted) options.discard(result);
        else settle(() => resolve(result));
      }, onFailure);
    };

    options.signal.addEventListener('abort', onAbort, { once: true });
    if (options.signal.aborted) onAbort();
    else if (attempts.length === 0) settle(() => reject(new Error('there is nothing to try')));
    else startNext();
  });
}
