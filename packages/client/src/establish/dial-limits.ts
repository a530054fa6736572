import { DIALS_PER_HOST } from '../limits.ts';

/** Bounds how many connections to one host are being made at once: many at a time are a mark (C33). */
export class DialLimits {
  readonly #counts = new Map<string, number>();
  readonly #most: () => number;
  readonly #waiting = new Set<() => void>();

  constructor(most: () => number = () => DIALS_PER_HOST) {
    this.#most = most;
  }

  /** Whether another may begin. */
  hasRoom(host: string): boolean {
    return (this.#counts.get(host) ?? 0) < this.#most();
  }

  /** Begins one, at once if there is room. Gives what is to be called when it is over. Rejects with the signal's reason. */
  async enter(host: string, signal: AbortSignal): Promise<() => void> {
    while (!this.hasRoom(host)) await this.#untilRoom(signal);
    return this.#begin(host);
  }

  #begin(host: string): () => void {
    this.#counts.set(host, (this.#counts.get(host) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const count = (this.#counts.get(host) ?? 1) - 1;
      if (count === 0) this.#counts.delete(host);
      else this.#counts.set(host, count);
      for (const wake of [...this.#waiting]) wake();
    };
  }

  #untilRoom(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', onAbort);
        act();
      };
      const wake = () => settle(resolve);
      const onAbort = () => settle(() => reject(signal.reason));
      this.#waiting.add(wake);
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
  }
}
