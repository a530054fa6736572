import { untilAborted } from '@rozan/tunnel/program';

/** Keeps the process alive while it waits for timers alone, until it is disposed of or told to stop. */
export interface Alive extends Disposable {
  /** Resolves then. */
  readonly ended: Promise<void>;
}

/** Begins to keep the process alive. `signal`: it is told to stop. */
export function stayAlive(signal: AbortSignal): Alive {
  const done = new AbortController();
  return {
    ended: untilAborted(AbortSignal.any([signal, done.signal])),
    [Symbol.dispose]: () => done.abort(),
  };
}
