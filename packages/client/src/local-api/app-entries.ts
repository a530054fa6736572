import {
  entryValidity,
  formatShareLink,
  ProtocolError,
  parseEntryText,
  parseServerEntry,
  parseShareLink,
} from '@rozan/protocol';
import { findTransport } from '@rozan/tunnel';
import type { Client } from '../client.ts';
import type { LinkedEntry } from '../entries.ts';
import { MAX_ENTRIES } from '../limits.ts';
import { looksOf } from './account-keeper.ts';
import { ApiFailure } from './api-error.ts';
import type { EntriesAdded, Entry } from './api-types.ts';
import type { EntrySource } from './entry-source.ts';

type Refusal = EntriesAdded['refused'][number]['reason'];

/** Where links may begin in a text that holds other things too, such as a message that somebody has forwarded. */
const LINK_START = /rozan:\/\//gi;
/** A word that is cut here is no link any more anyway. */
const MAX_PIECE_CHARS = 65_536;

/** The pieces of a text that each begin with a link. */
export function piecesOf(text: string): string[] {
  const starts = [...text.matchAll(LINK_START)].map(({ index }) => index);
  return starts.map((start, i) => text.slice(start, Math.min(starts[i + 1] ?? text.length, start + MAX_PIECE_CHARS)));
}

function refusalOf(error: ProtocolError): Refusal {
  if (error.code === 'not-authentic') return 'not-authentic';
  return error.code === 'unsupported' ? 'unsupported' : 'malformed';
}

function readEnvelope(bytes: Buffer): LinkedEntry | Refusal {
  const { entry } = parseServerEntry(bytes);
  const isUsable = entry.transports.some(({ transport }) => findTransport(transport) !== null);
  return isUsable ? { entry, link: formatShareLink(bytes) } : 'unsupported';
}

/**
 * Reads what is at the start of a piece: an entry that this version can use, or why it is none. A link may go on over several lines, as a file
 * has it, or end with its first word, as in a message.
 */
export function readPiece(piece: string): LinkedEntry | Refusal {
  const readings = [() => parseShareLink(piece.split(/\s/, 1)[0] ?? ''), () => parseEntryText(piece)[0]];
  let refusal: Refusal = 'malformed';
  for (const read of readings) {
    try {
      const bytes = read();
      if (bytes !== undefined) return readEnvelope(bytes);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refusal = refusalOf(error);
    }
  }
  return refusal;
}

/** What `AppEntries` needs. */
export interface AppEntriesOptions {
  readonly client: Pick<Client, 'failures' | 'pool'>;
  readonly source: EntrySource;
}

/** The server entries of a client as the app sees them: by id, with what has become of them. */
export class AppEntries {
  readonly #options: AppEntriesOptions;
  readonly #worked = new Set<string>();
  #lastChange: Promise<unknown> = Promise.resolve();

  constructor(options: AppEntriesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all().length;
  }

  #all(): readonly LinkedEntry[] {
    return this.#options.source.entries();
  }

  noteWorked(tag: string): void {
    if (this.#worked.size < MAX_ENTRIES) this.#worked.add(tag);
  }

  /** Takes the entries of a text, one call after the other. */
  add(text: string): Promise<EntriesAdded> {
    const change = this.#lastChange.then(() => this.#add(text));
    this.#lastChange = change.catch(() => {});
    return change;
  }

  async #add(text: string): Promise<EntriesAdded> {
    const { source } = this.#options;
    const before = new Set(this.#all().map(({ entry }) => entry.tag));
    const fresh = new Map<string, LinkedEntry>();
    const known = new Set<string>();
    const refused: EntriesAdded['refused'] = [];
    const pieces = piecesOf(text);
    if (pieces.length === 0) refused.push({ index: 0, reason: 'none-found' });
    for (const [index, piece] of pieces.entries()) {
      const found = readPiece(piece);
      if (typeof found === 'string') refused.push({ index, reason: found });
      else if (before.has(found.entry.tag)) known.add(found.entry.tag);
      else if (fresh.size >= source.room()) refused.push({ index, reason: 'too-many' });
      else fresh.set(found.entry.tag, found);
    }
    if (fresh.size > 0) {
      await source.add([...fresh.values()]).catch(() => {
        throw new ApiFailure('failed', 'the entries could not be kept');
      });
    }
    return { added: [...fresh.keys()], known: [...known], refused };
  }

  /** Throws an `ApiFailure` (`not-found`). */
  linkOf(tag: string): string {
    const linked = this.#all().find(({ entry }) => entry.tag === tag);
    if (linked === undefined) throw new ApiFailure('not-found', 'there is no such entry');
    return linked.link;
  }

  list(wallMs: number): Entry[] {
    const inUse = new Set(this.#options.client.pool.sessions.map(({ dialer }) => dialer.entry.tag));
    const failed = new Set(this.#options.client.failures.get().map(({ tag }) => tag));
    return this.#all().map(({ entry }) => {
      const validity = entryValidity(entry, wallMs);
      const looks = new Set(entry.transports.map(({ transport }) => looksOf(transport)));
      return {
        id: entry.tag,
        region: entry.region ?? null,
        looks: [...looks],
        state: this.#stateOf(entry.tag, inUse, failed),
        validity: validity === 'unjudged' ? 'valid' : validity,
      };
    });
  }

  #stateOf(tag: string, inUse: ReadonlySet<string>, failed: ReadonlySet<string>): Entry['state'] {
    if (inUse.has(tag)) return 'in-use';
    if (this.#worked.has(tag)) return 'worked';
    return failed.has(tag) ? 'failed' : 'untried';
  }
}
