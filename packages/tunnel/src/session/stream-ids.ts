import { ProtocolError } from '@rozan/protocol';
import { MAX_SKIPPED_STREAM_IDS } from '../limits.ts';

/**
 * Which stream ids the peer has used. Ids are given in order but may arrive out of order over several carriers; an id that was seen and is
 * no longer open belongs to a finished stream, whose late repetitions are ignored.
 */
export class StreamIds {
  #highest = 0;
  readonly #skipped = new Set<number>();

  /** Takes note of an id; true when it is new. Throws `violation` when too many ids below it are missing. */
  isNew(id: number): boolean {
    if (id <= this.#highest) return this.#skipped.delete(id);
    if (id - this.#highest - 1 + this.#skipped.size > MAX_SKIPPED_STREAM_IDS) {
      throw new ProtocolError('violation', 'stream ids out of order');
    }
    for (let skipped = this.#highest + 1; skipped < id; skipped += 1) this.#skipped.add(skipped);
    this.#highest = id;
    return true;
  }
}
