import { DIALS_PER_HOST } from '../limits.ts';

/** Bounds how many connections to one host are being made at once: many at a time are a mark (C33). */
export class DialLimits {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number = DIALS_PER_HOST) {
    this.#most = most;
  }

  /** Whether another may begin. */
  hasRoom(host: string): boolean {
    return (this.#counts.get(host) ?? 0) < this.#most;
  }

  /** Notes one that begins. Returns what is to be called when it is over. */
  begin(host: string): () => void {
    this.#counts.set(host, (this.#counts.get(host) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      const count = (this.#counts.get(host) ?? 1) - 1;
      if (count === 0) this.#counts.delete(host);
      else this.#counts.set(host, count);
    };
  }
}
