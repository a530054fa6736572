import type { Env } from '../env.ts';

/** The wait before try number `failures` + 1: doubles from `minMs` up to `maxMs`; `fraction` (0 … 1) draws it from half of that to all. */
export function backoffMs(failures: number, bounds: { minMs: number; maxMs: number; fraction: number }): number {
  const fullMs = Math.min(bounds.maxMs, bounds.minMs * 2 ** Math.min(30, failures - 1));
  return fullMs * (0.5 + 0.5 * bounds.fraction);
}

/** Resolves after `delayMs`; rejects with the signal's reason. */
export function sleep(env: Env, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = () => {
      cancel();
      reject(signal.reason);
    };
    const cancel = env.clock.setTimer(delayMs, () => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    });
    signal.addEventListener('abort', onAbort, { once: true });
  });
}
