/** Marks that one listener remembers. */
const MAX_REMEMBERED_MARKS = 100_000;

/** Remembers the marks that were shown, so that a recorded one is taken for a stranger's; the oldest are forgotten first. */
export class MarkMemory {
  readonly #seen = new Set<string>();
  readonly #most: number;

  constructor(most: number = MAX_REMEMBERED_MARKS) {
    this.#most = most;
  }

  has(mark: string): boolean {
    return this.#seen.has(mark);
  }

  add(mark: string): void {
    this.#seen.add(mark);
    if (this.#seen.size <= this.#most) return;
    for (const oldest of this.#seen) {
      this.#seen.delete(oldest);
      break;
    }
  }

  /** Whether it is shown for the first time; remembers it. */
  isFresh(mark: Buffer): boolean {
    const name = mark.toString('latin1');
    if (this.#seen.has(name)) return false;
    this.add(name);
    return true;
  }
}
