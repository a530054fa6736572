import { formatShareLink, ProtocolError, parseServerEntry, type ServerEntry } from '@rozan/protocol';
import {
  type Brand,
  createMirrorDial,
  Fetcher,
  type MirrorDial,
  PublicationError,
  type Storage,
} from '@rozan/publication';
import type { CancelTimer, Conn, Env, SocketAddress } from '@rozan/tunnel';
import type { LinkedEntry } from '../entries.ts';
import type { MemoryStore } from '../establish/way-memory.ts';
import { LIST_REFRESH_MS, LIST_RETRY_MS } from '../limits.ts';
import { type BookChange, EntryBook } from './entry-book.ts';

/** Where tactics are in a publication, and how long they may be (docs/spec/tactics.md §1). */
const TACTICS_PATH = 'network/tactics';
const MAX_TACTICS_BYTES = 72 * 1024;

/** What of a running client the keeper of its lists needs. */
export interface ListedClient {
  /** Whether a session is up. */
  isLive(): boolean;
  /** Whether somebody has switched it off. */
  isPaused(): boolean;
  /** Whether somebody uses it right now. */
  isUsed(): boolean;
  /** Whether its line is paid by the megabyte. */
  isMetered(): boolean;
  /** Opens a stream through the tunnel. */
  open(address: SocketAddress, signal: AbortSignal | undefined): Promise<Conn>;
  /** Tags of the entries with which sessions are up. */
  workingTags(): readonly string[];
  setEntries(entries: readonly ServerEntry[]): void;
  /** The time that relays have told, in ms since 1970; null before one has. */
  attestedMs(): number | null;
}

/** What a keeper of lists is made of. */
export interface ListKeeperOptions {
  readonly brand: Brand;
  /** Where the publication is kept as far as it was fetched. */
  readonly storage: Storage;
  /** Where the entries are kept. */
  readonly book: MemoryStore;
  /** How mirrors are reached without the tunnel. */
  readonly dialMirror: MirrorDial;
  /** How often it looks, if it is to be another range than usual, in ms. */
  readonly refreshMs?: readonly [number, number] | undefined;
}

/**
 * Keeps the entries of a client that has a brand: those of the brand, those of the publication, and those that a person has given. It never throws for what
 * mirrors do: the client works on with what it has.
 */
export class ListKeeper implements Disposable {
  readonly #env: Env;
  readonly #options: ListKeeperOptions;
  readonly #book: EntryBook;
  readonly #over = new AbortController();
  #fetcher: Fetcher | null = null;
  #client: ListedClient | null = null;
  #cancelTimer: CancelTimer = () => {};
  /** Of the publication whose list was taken last. */
  #takenVersion = 0;
  #complaint: string | null = null;
  #failures = 0;
  #usedMs: number;

  private constructor(env: Env, options: ListKeeperOptions, book: EntryBook) {
    this.#env = env;
    this.#options = options;
    this.#book = book;
    this.#usedMs = env.clock.monotonicMs();
  }

  /** Opens what was kept; asks nobody. Throws a `PublicationError` (`malformed`, `storage`) when what was kept cannot be read. */
  static async open(env: Env, options: ListKeeperOptions): Promise<ListKeeper> {
    const { brand, storage } = options;
    const text = await options.book.read();
    const book = text === null ? new EntryBook() : EntryBook.parse(text);
    const keeper = new ListKeeper(env, options, book);
    keeper.#fetcher = await Fetcher.open(env, {
      root: brand.root,
      store: storage,
      mirrors: { urls: brand.mirrors, dial: (place, dialOptions) => keeper.#dial(place, dialOptions) },
      attestedMs: () => keeper.#client?.attestedMs() ?? null,
      partnerKeys: brand.partnerKeys,
    });
    book.add(brand.entries, 'brand');
    return keeper;
  }

  /** The entries to begin with. */
  get entries(): ServerEntry[] {
    return this.#book.entries(this.#env.clock.wallMs());
  }

  get linkedEntries(): readonly LinkedEntry[] {
    return this.#book.linked;
  }

  /** Begins to look after a client that runs. One without entries gets the list at once. */
  follow(client: ListedClient): void {
    this.#client = client;
    this.#later(this.#book.size === 0 ? 0 : this.#waitMs() / 4);
  }

  /** Takes entries that a person gives, whoever has signed them; gives how many were news. Throws a `ProtocolError` for what is none. */
  async add(links: readonly string[]): Promise<number> {
    const change = this.#book.add(links, 'hand');
    await this.#changed(change);
    return change.added;
  }

  /** What the network has signed of tactics, kept or fetched. Rejects with a `PublicationError` where there is nothing. */
  async readTactics(): Promise<Buffer> {
    const fetcher = this.#fetcher;
    if (fetcher === null) throw new PublicationError('not-found', 'nothing was fetched yet');
    const signal = this.#over.signal;
    const kept = await fetcher.kept(TACTICS_PATH);
    // A start must not wait for mirrors: without the tunnel it is what was kept.
    const target = this.#client?.isLive()
      ? await fetcher.target(TACTICS_PATH, { signal, maxBytes: MAX_TACTICS_BYTES }).catch(() => kept)
      : kept;
    if (target === null) throw new PublicationError('not-found', 'the network has published no tactics');
    return target.bytes;
  }

  /** Looks for a newer publication now. Rejects with a `PublicationError`, or the signal's reason. */
  async refresh(signal: AbortSignal = this.#over.signal): Promise<void> {
    const fetcher = this.#fetcher;
    if (fetcher === null || this.#options.brand.mirrors.length === 0) return;
    const { bucket, entryKey } = this.#options.brand;
    try {
      const { version, isNew, validity } = await fetcher.refresh({ signal });
      // Not `isNew`: a list that broke off has to be fetched again, though its publication is known by then.
      if (version !== this.#takenVersion) {
        const list = await fetcher.entryList(bucket, { signal });
        const links = list.entries.flatMap((bytes) => linkOf(bytes, entryKey));
        // A list with nothing in it that we can read would leave nobody a way in.
        if (links.length > 0) await this.#changed(this.#book.follow(links, this.#env.clock.wallMs()));
        this.#takenVersion = version;
        this.#env.log({ event: 'publication.refreshed', version, isNew, validity });
      }
      this.#complaint = null;
      this.#failures = 0;
    } catch (error) {
      if (signal.aborted) throw error;
      this.#failures += 1;
      this.#complain(error);
      throw error;
    }
  }

  /** Once for each kind, and not with each attempt. */
  #complain(error: unknown): void {
    const code = error instanceof PublicationError ? error.code : 'failed';
    if (code !== this.#complaint) this.#env.log({ event: 'publication.failed', code });
    this.#complaint = code;
  }

  #dial(...[place, options]: Parameters<MirrorDial>): ReturnType<MirrorDial> {
    const client = this.#client;
    if (client === null || !client.isLive()) return this.#options.dialMirror(place, options);
    const network = { ...this.#env.network, dial: (address: SocketAddress) => client.open(address, options.signal) };
    return createMirrorDial({ ...this.#env, network })(place, options);
  }

  #waitMs(): number {
    const nowMs = this.#env.clock.monotonicMs();
    if (this.#client?.isUsed() !== false) this.#usedMs = nowMs;
    const { usual, idle, idleAfterMs } = LIST_REFRESH_MS;
    const isIdle = nowMs - this.#usedMs >= idleAfterMs || this.#client?.isMetered() === true;
    const { refreshMs = isIdle ? idle : usual } = this.#options;
    const waitMs = refreshMs[0] + this.#env.random.fraction() * (refreshMs[1] - refreshMs[0]);
    // Somebody waits for a way in, and this may be it.
    const isWanting = this.#failures > 0 && this.#client?.isLive() === false;
    return isWanting ? Math.min(waitMs, LIST_RETRY_MS * 2 ** Math.min(10, this.#failures - 1)) : waitMs;
  }

  #later(waitMs: number): void {
    this.#cancelTimer = this.#env.clock.setTimer(waitMs, () => {
      this.#round()
        .catch(() => {})
        .finally(() => {
          if (!this.#over.signal.aborted) this.#later(this.#waitMs());
        });
    });
  }

  async #round(): Promise<void> {
    // Who has switched it off wants nothing to be asked for.
    if (this.#client?.isPaused() === true) return;
    const nowMs = this.#env.clock.wallMs();
    const worked = (this.#client?.workingTags() ?? []).map((tag) => this.#book.noteWorked(tag, nowMs));
    // This machine's clock may be what is wrong: only a relay's word ends entries.
    const attestedMs = this.#client?.attestedMs() ?? null;
    const removed = attestedMs === null ? 0 : this.#book.prune(attestedMs).removed;
    if (removed > 0) await this.#changed({ added: 0, removed });
    else if (worked.includes(true)) await this.#options.book.write(this.#book.format());
    await this.refresh();
  }

  async #changed({ added, removed }: BookChange): Promise<void> {
    if (added + removed === 0) return;
    // They are of use though they may not be kept: a disk may be full.
    this.#client?.setEntries(this.entries);
    await this.#options.book.write(this.#book.format());
    this.#env.log({ event: 'entries.changed', count: this.#book.size, added, removed });
  }

  /** Ends what is under way. */
  [Symbol.dispose](): void {
    this.#over.abort(new PublicationError('unavailable', 'the client stops'));
    this.#cancelTimer();
    this.#fetcher?.[Symbol.dispose]();
  }
}

/** The link of an entry that the network's entry key has signed; nothing for any other. */
function linkOf(bytes: Buffer, entryKey: Buffer): string[] {
  try {
    return parseServerEntry(bytes).entry.signer.equals(entryKey) ? [formatShareLink(bytes)] : [];
  } catch (error) {
    if (error instanceof ProtocolError) return [];
    throw error;
  }
}
