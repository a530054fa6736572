// Lookup ids: by them, and not by a name, a client tells its relay which session a new carrier belongs to
// (docs/spec/wire.md §4.3). Id number n of a session is 16 bytes of HMAC(lookup key, n as u64).
import { createHmac } from 'node:crypto';
import { LOOKUP_ID_BYTES } from './attach.ts';
import { deriveKey } from './keys.ts';

/** How far above the highest accepted counter the relay knows ids, and above its confirmed counter the client uses them. */
export const LOOKUP_AHEAD = 16;
/**
 * How far below the highest accepted counter the relay still knows ids: `LOOKUP_AHEAD` for replies that the client never got,
 * and 16 for flights that were on their way meanwhile.
 */
export const LOOKUP_BEHIND = 32;

/** The key of a session's lookup ids. */
export function lookupKeyOf(sessionSecret: Buffer): Buffer {
  return deriveKey(sessionSecret, 'lookup');
}

/** The id that stands for `counter` (1 … 2^53 − 1). */
export function lookupId(lookupKey: Buffer, counter: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(counter));
  return createHmac('sha256', lookupKey).update(bytes).digest().subarray(0, LOOKUP_ID_BYTES);
}

/** What a client stores, before it sends a flight, when its session is to outlive a restart. */
export interface LookupCounterState {
  /** The highest counter whose reply said `accepted`; 0 before the first. */
  readonly confirmed: number;
  /** The highest counter taken. */
  readonly highest: number;
}

/**
 * The client's side. It takes the next unused counter; when `LOOKUP_AHEAD` in a row got no accepting reply it begins again
 * behind the last confirmed one. Since a confirmed counter was accepted by the relay, and no counter above
 * confirmed + `LOOKUP_AHEAD` is ever used, what it takes is always within the relay's window.
 */
export class LookupCounter {
  #confirmed: number;
  #highest: number;
  #next: number;

  constructor({ confirmed, highest }: LookupCounterState = { confirmed: 0, highest: 0 }) {
    this.#confirmed = confirmed;
    this.#highest = highest;
    this.#next = highest < confirmed + LOOKUP_AHEAD ? highest + 1 : confirmed + 1;
  }

  get state(): LookupCounterState {
    return { confirmed: this.#confirmed, highest: this.#highest };
  }

  /** The counter for one attach. */
  take(): number {
    const counter = this.#next;
    this.#highest = Math.max(this.#highest, counter);
    this.#next = counter === this.#confirmed + LOOKUP_AHEAD ? this.#confirmed + 1 : counter + 1;
    return counter;
  }

  /** Says that the relay's reply to the attach with `counter` has arrived, opened, and said `accepted`. */
  confirm(counter: number): void {
    if (counter <= this.#confirmed) return;
    this.#confirmed = counter;
    this.#next = Math.max(this.#highest, counter) + 1;
  }
}

/** A move of the relay's window: the highest accepted counter before and after. */
export interface LookupMove {
  /** Null for a new session; `accepted` is then 0. */
  readonly previous: number | null;
  /** The highest counter of an attach whose mac was right. */
  readonly accepted: number;
}

/** An id of the relay's table, and the counter it stands for. */
export interface LookupEntry {
  readonly counter: number;
  readonly id: Buffer;
}

function entries(lookupKey: Buffer, above: number, last: number): LookupEntry[] {
  const list: LookupEntry[] = [];
  for (let counter = Math.max(above, 0) + 1; counter <= last; counter += 1) {
    list.push({ counter, id: lookupId(lookupKey, counter) });
  }
  return list;
}

/**
 * The ids that the relay adds to its table when an attach is accepted, so that it holds those of the counters
 * (accepted − `LOOKUP_BEHIND`, accepted + `LOOKUP_AHEAD`]. None when an older counter was accepted.
 */
export function idsToAdd(lookupKey: Buffer, { previous, accepted }: LookupMove): LookupEntry[] {
  const above = previous === null ? accepted - LOOKUP_BEHIND : previous + LOOKUP_AHEAD;
  return entries(lookupKey, above, accepted + LOOKUP_AHEAD);
}

/** The ids that the relay takes out of its table by the same move. */
export function idsToRemove(lookupKey: Buffer, { previous, accepted }: LookupMove): LookupEntry[] {
  return previous === null ? [] : entries(lookupKey, previous - LOOKUP_BEHIND, accepted - LOOKUP_BEHIND);
}

/** All ids that the relay holds for a session whose highest accepted counter is `accepted`: what leaves with the session. */
export function idsHeld(lookupKey: Buffer, accepted: number): LookupEntry[] {
  return entries(lookupKey, accepted - LOOKUP_BEHIND, accepted + LOOKUP_AHEAD);
}
