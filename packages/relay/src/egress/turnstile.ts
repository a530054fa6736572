/** What `Turnstile` is bounded by. */
export interface TurnstileBounds {
  /** Tasks at one time. */
  readonly running: number;
  /** Tasks that wait for their turn. */
  readonly waiting: number;
}

/** Lets a bounded number of tasks run and a bounded number wait, first come first served. */
export class Turnstile {
  readonly #bounds: TurnstileBounds;
  readonly #waiting = new Set<() => void>();
  #running = 0;

  constructor(bounds: TurnstileBounds) {
    this.#bounds = bounds;
  }

  /** Starts `task` now or in turn; null if too many wait. What `task` rejects with is passed on. */
  run<T>(task: () => Promise<T>): Promise<T> | null {
    if (this.#running < this.#bounds.running) return this.#start(task);
    if (this.#waiting.size >= this.#bounds.waiting) return null;
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        this.#waiting.delete(begin);
        this.#start(task).then(resolve, reject);
      };
      this.#waiting.add(begin);
    });
  }

  async #start<T>(task: () => Promise<T>): Promise<T> {
    this.#running += 1;
    try {
      return await task();
    } finally {
      this.#running -= 1;
      const [next] = this.#waiting;
      next?.();
    }
  }
}
