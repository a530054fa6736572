import type { Clock } from '@rozan/tunnel';
import { RelayError } from '../data-folder/relay-error.ts';

interface Pending<T> {
  resolve(answer: T): void;
  reject(error: Error): void;
}

/** Questions by number, each with its answer or, after a time, without. */
export class PendingAnswers<T> {
  readonly #clock: Clock;
  readonly #patienceMs: number;
  readonly #pending = new Map<number, Pending<T>>();
  #last = 0;

  constructor(clock: Clock, patienceMs: number) {
    this.#clock = clock;
    this.#patienceMs = patienceMs;
  }

  /** Questions without an answer. */
  get size(): number {
    return this.#pending.size;
  }

  /** Puts a question under a new number. Rejects (`worker-silent`) when no answer comes in time. */
  async ask(put: (number: number) => void): Promise<T> {
    this.#last += 1;
    const number = this.#last;
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    this.#pending.set(number, { resolve, reject });
    const cancelTimer = this.#clock.setTimer(this.#patienceMs, () => reject(silent()));
    try {
      put(number);
      return await promise;
    } finally {
      cancelTimer();
      this.#pending.delete(number);
    }
  }

  /** An answer that nobody waits for any more is dropped. */
  answer(number: number, value: T): void {
    this.#pending.get(number)?.resolve(value);
  }

  /** Nobody will answer any more. */
  giveUp(): void {
    for (const { reject } of [...this.#pending.values()]) reject(silent());
  }
}

function silent(): RelayError {
  return new RelayError('worker-silent', 'another process of the relay did not answer in time');
}
