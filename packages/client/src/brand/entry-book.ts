// The entries that a client knows, where each came from, and which of them go. Pure: times are arguments, in ms since 1970.
import { createHash } from 'node:crypto';
import { entryValidity, ProtocolError, parseServerEntry, parseShareLink, type ServerEntry } from '@rozan/protocol';
import { ENTRY_BOUNDS } from '../limits.ts';

/** How an entry was learnt of. */
export type EntryOrigin = 'brand' | 'list' | 'hand';

/** An entry with what is known of it. */
export interface KnownEntry {
  readonly entry: ServerEntry;
  /** The share link that it came by, which keeps its signature. */
  readonly link: string;
  readonly origin: EntryOrigin;
  /** When a session with it was up last; null for never. */
  readonly workedMs: number | null;
}

/** What a change of the book has come to. */
export interface BookChange {
  readonly added: number;
  readonly removed: number;
}

/** What may go today: somebody who has stolen a key is not to turn a client over to other relays within hours. */
interface Allowance {
  readonly sinceMs: number;
  readonly left: number;
}

const DAY_MS = 86_400_000;
const ORIGINS: ReadonlySet<string> = new Set<EntryOrigin>(['brand', 'list', 'hand']);

/** Reads a share link. Throws a `ProtocolError`. */
export function linkedEntry(link: string): Pick<KnownEntry, 'entry' | 'link'> {
  return { entry: parseServerEntry(parseShareLink(link)).entry, link };
}

/** The entries of a client that has a brand. */
export class EntryBook {
  #known: ReadonlyMap<string, KnownEntry>;
  #allowance: Allowance | null = null;
  /** Which entries of a brand were taken: they are not to come back after each start when they have gone. */
  #brandDigest: string | null = null;

  constructor(known: readonly KnownEntry[] = []) {
    this.#known = new Map(known.map((one) => [one.entry.tag, one]));
  }

  /** All of them, those within their time first. */
  entries(nowMs: number): ServerEntry[] {
    const isStale = ({ entry }: KnownEntry) => Number(entryValidity(entry, nowMs) !== 'valid');
    return [...this.#known.values()].toSorted((a, b) => isStale(a) - isStale(b)).map(({ entry }) => entry);
  }

  /** All of them, with their links. */
  get linked(): readonly Pick<KnownEntry, 'entry' | 'link'>[] {
    return [...this.#known.values()];
  }

  get size(): number {
    return this.#known.size;
  }

  /** Adds the entries of a brand, once. */
  addBrand(links: readonly string[]): BookChange {
    const digest = createHash('sha256').update(links.join('\n')).digest('base64url');
    if (digest === this.#brandDigest) return { added: 0, removed: 0 };
    this.#brandDigest = digest;
    return this.add(links, 'brand');
  }

  /**
   * Adds entries that are not known, or are there in a newer form. What a person has given stays that person's, and finds room where there is
   * none: the entry that is worth least goes. Throws a `ProtocolError`, and then nothing has changed.
   */
  add(links: readonly string[], origin: EntryOrigin): BookChange {
    const known = new Map(this.#known);
    let added = 0;
    let removed = 0;
    for (const link of links) {
      const linked = linkedEntry(link);
      const before = known.get(linked.entry.tag);
      if (before?.link === link || (before !== undefined && before.entry.issuedMs > linked.entry.issuedMs)) continue;
      if (before === undefined && known.size >= ENTRY_BOUNDS.most) {
        const least = origin === 'hand' ? leastWorth([...known.values()]) : null;
        if (least === null) continue;
        known.delete(least.entry.tag);
        removed += 1;
      }
      added += 1;
      const kept = before?.origin === 'hand' ? 'hand' : origin;
      known.set(linked.entry.tag, { ...linked, origin: kept, workedMs: before?.workedMs ?? null });
    }
    this.#known = known;
    return { added, removed };
  }

  /** Takes a list of the publication: what is new in it is added, and what is not in it any more goes. */
  follow(links: readonly string[], nowMs: number): BookChange {
    // By what was there before: else a long list would make room for itself.
    this.#allow(nowMs);
    const { added } = this.add(links, 'list');
    const listed = new Set(links.map((link) => linkedEntry(link).entry.tag));
    const isGone = ({ entry, origin }: KnownEntry) => origin !== 'hand' && !listed.has(entry.tag);
    const removed = this.#remove(isGone, nowMs);
    // Those for which there was no room before.
    const late = removed === 0 ? 0 : this.add(links, 'list').added;
    return { added: added + late, removed };
  }

  /** Lets go of entries that are out of their time, by a clock that can be relied on. */
  prune(nowMs: number): BookChange {
    return { added: 0, removed: this.#remove(({ entry }) => entryValidity(entry, nowMs) === 'expired', nowMs) };
  }

  /** Removes as many as may go: never the last ones, and of the others no more in a day than the allowance. */
  #remove(isToGo: (known: KnownEntry) => boolean, nowMs: number): number {
    const all = [...this.#known.values()];
    const going = all.filter(isToGo).toSorted((a, b) => worth(a) - worth(b));
    const staying = all.length - going.length;
    const bySize = Math.max(0, going.length - Math.max(0, ENTRY_BOUNDS.least - staying));
    const count = Math.min(bySize, this.#allow(nowMs));
    const removed = new Set(going.slice(0, count).map(({ entry }) => entry.tag));
    this.#known = new Map([...this.#known].filter(([tag]) => !removed.has(tag)));
    if (this.#allowance !== null) this.#allowance = { ...this.#allowance, left: this.#allowance.left - count };
    return count;
  }

  #allow(nowMs: number): number {
    const { sinceMs = Number.NEGATIVE_INFINITY } = this.#allowance ?? {};
    if (nowMs - sinceMs >= DAY_MS || nowMs < sinceMs) {
      const left = Math.max(ENTRY_BOUNDS.leastGone, Math.floor(ENTRY_BOUNDS.goneShare * this.#known.size));
      this.#allowance = { sinceMs: nowMs, left };
    }
    return this.#allowance?.left ?? 0;
  }

  /** A session with the entry of this tag is up. Returns whether that is news that is worth keeping: at most once an hour. */
  noteWorked(tag: string, nowMs: number): boolean {
    const known = this.#known.get(tag);
    if (known === undefined || (known.workedMs !== null && nowMs - known.workedMs < ENTRY_BOUNDS.workedMs))
      return false;
    this.#known = new Map([...this.#known, [tag, { ...known, workedMs: nowMs }]]);
    return true;
  }

  /** As a file. */
  format(): string {
    const entries = [...this.#known.values()].map(({ link, origin, workedMs }) => ({ link, origin, workedMs }));
    return `${JSON.stringify({ v: 1, entries, allowance: this.#allowance, brand: this.#brandDigest })}\n`;
  }

  /** Reads what `format` has written; whatever of it cannot be read is left out. */
  static parse(text: string): EntryBook {
    const file = objectOf(jsonOf(text));
    const entries = Array.isArray(file.entries) ? file.entries : [];
    const book = new EntryBook(entries.slice(0, ENTRY_BOUNDS.most).flatMap((one) => knownOf(objectOf(one))));
    const { sinceMs, left } = objectOf(file.allowance);
    if (typeof sinceMs === 'number' && typeof left === 'number' && left >= 0) book.#allowance = { sinceMs, left };
    // What could not be read may have been the brand's.
    if (typeof file.brand === 'string' && book.size > 0) book.#brandDigest = file.brand;
    return book;
  }
}

/** Which of two goes later: what has worked, the latest last; then what was issued later. */
function worth({ workedMs, entry }: KnownEntry): number {
  return workedMs === null ? entry.issuedMs / 1e6 : workedMs;
}

/** The one to go where there is no room: what the network gave before what a person did. */
function leastWorth(known: readonly KnownEntry[]): KnownEntry | null {
  const isByHand = ({ origin }: KnownEntry) => Number(origin === 'hand');
  return known.toSorted((a, b) => isByHand(a) - isByHand(b) || worth(a) - worth(b))[0] ?? null;
}

function knownOf({ link, origin, workedMs }: Readonly<Record<string, unknown>>): KnownEntry[] {
  if (typeof link !== 'string' || typeof origin !== 'string' || !ORIGINS.has(origin)) return [];
  try {
    const worked = typeof workedMs === 'number' ? workedMs : null;
    return [{ ...linkedEntry(link), origin: origin as EntryOrigin, workedMs: worked }];
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
