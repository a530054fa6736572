import type { Source } from './source-key.ts';

/** The caps, as `FORWARD_BOUNDS` names them. */
export interface ForwardBounds {
  readonly carriers: number;
  readonly carriersPerSibling: number;
  readonly carriersPerSource: number;
  readonly pending: number;
  readonly pendingPerSource: number;
  readonly arrivalsPerSibling: number;
}

/** Things counted in all and by one key, both with a cap. */
class Tally {
  #total = 0;
  readonly #counts = new Map<string, number>();

  get total(): number {
    return this.#total;
  }

  of(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  /** Counts one; gives what takes it back, which does nothing the second time. */
  add(key: string): () => void {
    this.#total += 1;
    this.#counts.set(key, this.of(key) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#total -= 1;
      const left = this.of(key) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }
}

/** Counts what is forwarded, by sibling and by source. Each `begin…` gives what ends it, or null at a cap. */
export class ForwardLimits {
  readonly #bounds: ForwardBounds;
  readonly #pending = new Tally();
  readonly #bySource = new Tally();
  readonly #bySibling = new Tally();
  readonly #arrivals = new Tally();

  constructor(bounds: ForwardBounds) {
    this.#bounds = bounds;
  }

  /** Carriers forwarded now. */
  get carriers(): number {
    return this.#bySibling.total;
  }

  /** Requests that are not answered yet. */
  get pending(): number {
    return this.#pending.total;
  }

  /** A request, until it is answered. */
  beginRequest({ key, isLocal }: Source): (() => void) | null {
    const { pending, pendingPerSource } = this.#bounds;
    if (this.#pending.total >= pending || (!isLocal && this.#pending.of(key) >= pendingPerSource)) return null;
    return this.#pending.add(key);
  }

  /** A carrier that is to go on to a sibling, from its dial on. */
  beginCarrier({ key, isLocal }: Source, siblingId: string): (() => void) | null {
    const { carriers, carriersPerSibling, carriersPerSource } = this.#bounds;
    if (this.carriers >= carriers || this.#bySibling.of(siblingId) >= carriersPerSibling) return null;
    if (!isLocal && this.#bySource.of(key) >= carriersPerSource) return null;
    const ends = [this.#bySibling.add(siblingId), this.#bySource.add(key)];
    return () => {
      for (const end of ends) end();
    };
  }

  /** A carrier that comes from a sibling. */
  beginArrival(siblingId: string): (() => void) | null {
    return this.#arrivals.of(siblingId) >= this.#bounds.arrivalsPerSibling ? null : this.#arrivals.add(siblingId);
  }
}
