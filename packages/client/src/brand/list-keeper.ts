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
import { FIRST_LOOK_MS, LIST_REFRESH_MS, LIST_RETRY_MS, PAUSED_LOOK_MS } from '../limits.ts';
import { type BookChange, EntryBook } from './entry-book.ts';

/** Where tactics are in a publication, and how long they may be (docs/spec/tactics.md §1). */
const TACTICS_PATH = 'network/tactics';
const MAX_TACTICS_BYTES = 72 * 1024;

/** What of a running client the keeper of its lists needs. */
export interface ListedClient {
  /** Whether a session is up. */
  isLive(): boolean;
  /** Whether the person has switched it off. */
  isPaused(): boolean;
  /** Streams and flows that are open right now, those that `open` has opened among them. */
  streamCount(): number;
  /** Whether its line is paid by the megabyte. */
  isMetered(): boolean;
  /** Opens a stream through the tunnel. */
  open(address: SocketAddress, signal: AbortSignal | undefined): Promise<Conn>;
  /** Tags of the entries with which sessions are up. */
  workingTags(): readonly string[];
  setEntries(entries: readonly ServerEntry[]): void;
  /** There may be newer tactics to read. */
  refreshTactics(): Promise<void>;
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
  /** The publication of which everything was taken last. */
  #takenVersion: number | null = null;
  /** Whether the book has changed since it was written last. */
  #isUnwritten = false;
  /** Streams of its own. */
  #ownStreams = 0;
  #way: 'tunnel' | 'mirror' = 'mirror';
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
    const isLost = book.size === 0;
    if (book.addBrand(brand.entries).added > 0) keeper.#isUnwritten = true;
    if (isLost) await keeper.#takeKept();
    return keeper;
  }

  /** A book that was lost or damaged is written anew from the list that was fetched last. */
  async #takeKept(): Promise<void> {
    const { bucket, entryKey } = this.#options.brand;
    const kept = (await this.#fetcher?.keptEntryList(bucket).catch(() => null)) ?? null;
    const links = kept?.entries.flatMap((bytes) => linkOf(bytes, entryKey)) ?? [];
    if (this.#book.add(links, 'list').added > 0) this.#isUnwritten = true;
  }

  /** The entries to begin with. */
  get entries(): ServerEntry[] {
    return this.#book.entries(this.#client?.attestedMs() ?? this.#env.clock.wallMs());
  }

  get linkedEntries(): readonly LinkedEntry[] {
    return this.#book.linked;
  }

  /** Begins to look after a client that runs. One without entries gets the list at once; others as soon as nobody sees it, or in a while. */
  follow(client: ListedClient): void {
    this.#client = client;
    if (this.#book.size === 0) this.#later(0);
    else this.#lookFirst(this.#env.clock.monotonicMs() + this.#waitMs() / 4);
  }

  /**
   * Takes entries that a person gives, whoever has signed them, into use, and then keeps them; gives how many were news. Throws a `ProtocolError`
   * for what is none; rejects with the store's error when they cannot be kept.
   */
  async add(links: readonly string[]): Promise<number> {
    // What is in use is not to make room.
    this.#noteWorking();
    const change = this.#book.add(links, 'hand');
    this.#changed(change);
    await this.#write();
    return change.added;
  }

  /** What the network has signed of tactics, as it was fetched last; null where there is nothing. Asks nobody: a start must not wait. */
  async readTactics(): Promise<Buffer | null> {
    const kept = await this.#fetcher?.kept(TACTICS_PATH);
    return kept?.bytes ?? null;
  }

  /** Looks for a newer publication now. Rejects with a `PublicationError`, or the signal's reason. */
  async refresh(signal: AbortSignal = this.#over.signal): Promise<void> {
    const fetcher = this.#fetcher;
    if (fetcher === null || this.#options.brand.mirrors.length === 0) return;
    try {
      const { version, isNew, validity } = await fetcher.refresh({ signal });
      // What is new may have been checked in an earlier round that broke off before the list was here.
      if (version !== this.#takenVersion) {
        await this.#takeList(fetcher, signal);
        await this.#takeTactics(fetcher, signal);
        this.#takenVersion = version;
        this.#env.log({ event: 'publication.refreshed', version, isNew, validity, way: this.#way });
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

  async #takeList(fetcher: Fetcher, signal: AbortSignal): Promise<void> {
    const { bucket, entryKey } = this.#options.brand;
    const list = await fetcher.entryList(bucket, { signal });
    const links = list.entries.flatMap((bytes) => linkOf(bytes, entryKey));
    // A list with nothing in it that we can read would leave nobody a way in.
    if (links.length > 0) this.#changed(this.#book.follow(links, this.#env.clock.wallMs()));
    await this.#tryWrite();
  }

  async #takeTactics(fetcher: Fetcher, signal: AbortSignal): Promise<void> {
    if (this.#options.brand.tacticsKeys.length === 0) return;
    const before = await this.readTactics();
    const options = { signal, maxBytes: MAX_TACTICS_BYTES };
    const found = await fetcher.target(TACTICS_PATH, options).catch((error: unknown) => {
      if (error instanceof PublicationError && error.code === 'not-found') return null;
      throw error;
    });
    if (found !== null && before?.equals(found.bytes) !== true) await this.#client?.refreshTactics();
  }

  /** Once for each kind, and not with each attempt. */
  #complain(error: unknown): void {
    const code = error instanceof PublicationError ? error.code : 'failed';
    if (code !== this.#complaint) this.#env.log({ event: 'publication.failed', code });
    this.#complaint = code;
  }

  #dial(...[place, options]: Parameters<MirrorDial>): ReturnType<MirrorDial> {
    const client = this.#client;
    this.#way = client?.isLive() ? 'tunnel' : 'mirror';
    if (client === null || this.#way === 'mirror') return this.#options.dialMirror(place, options);
    const dial = async (address: SocketAddress) => {
      const conn = await client.open(address, options.signal);
      this.#ownStreams += 1;
      conn.once('close', () => {
        this.#ownStreams -= 1;
      });
      return conn;
    };
    return createMirrorDial({ ...this.#env, network: { ...this.#env.network, dial } })(place, options);
  }

  #waitMs(): number {
    const nowMs = this.#env.clock.monotonicMs();
    if (this.#client === null || this.#client.streamCount() > this.#ownStreams) this.#usedMs = nowMs;
    const { usual, idle, idleAfterMs } = LIST_REFRESH_MS;
    const isIdle = nowMs - this.#usedMs >= idleAfterMs || this.#client?.isMetered() === true;
    const { refreshMs = isIdle ? idle : usual } = this.#options;
    const waitMs = refreshMs[0] + this.#env.random.fraction() * (refreshMs[1] - refreshMs[0]);
    // Somebody waits for a way in, and this may be it.
    const isWanting = this.#failures > 0 && this.#client?.isLive() === false;
    return isWanting ? Math.min(waitMs, LIST_RETRY_MS * 2 ** Math.min(10, this.#failures - 1)) : waitMs;
  }

  /** Through the tunnel nobody sees that a client has started and looks for lists: it need not wait until `openMs`. */
  #lookFirst(openMs: number): void {
    const leftMs = openMs - this.#env.clock.monotonicMs();
    this.#cancelTimer = this.#env.clock.setTimer(Math.min(leftMs, FIRST_LOOK_MS), () => {
      if (leftMs <= FIRST_LOOK_MS || this.#client?.isLive()) this.#later(0);
      else this.#lookFirst(openMs);
    });
  }

  #later(waitMs: number): void {
    this.#cancelTimer = this.#env.clock.setTimer(waitMs, () => {
      this.#round()
        .catch(() => {})
        .finally(() => {
          // Who switches it on again has waited for long enough.
          if (!this.#over.signal.aborted) this.#later(this.#client?.isPaused() ? PAUSED_LOOK_MS : this.#waitMs());
        });
    });
  }

  async #round(): Promise<void> {
    // Who has switched it off wants to be seen nowhere.
    if (this.#client?.isPaused()) return;
    this.#noteWorking();
    // A clock of this machine that is years ahead must not cost half of the entries.
    const attestedMs = this.#client?.attestedMs() ?? null;
    if (attestedMs !== null) this.#changed(this.#book.prune(attestedMs));
    await this.#tryWrite();
    await this.refresh();
  }

  #noteWorking(): void {
    const nowMs = this.#env.clock.wallMs();
    const worked = (this.#client?.workingTags() ?? []).map((tag) => this.#book.noteWorked(tag, nowMs));
    if (worked.includes(true)) this.#isUnwritten = true;
  }

  /** Takes a change into use. */
  #changed({ added, removed }: BookChange): void {
    if (added + removed === 0) return;
    this.#isUnwritten = true;
    this.#client?.setEntries(this.entries);
    this.#env.log({ event: 'entries.changed', count: this.#book.size, added, removed });
  }

  async #write(): Promise<void> {
    if (!this.#isUnwritten) return;
    const text = this.#book.format();
    this.#isUnwritten = false;
    await this.#options.book.write(text).catch((error: unknown) => {
      this.#isUnwritten = true;
      throw error;
    });
  }

  /** A full disk must not keep the client from using what it has learnt. */
  async #tryWrite(): Promise<void> {
    await this.#write().catch(() => this.#env.log({ event: 'memory.unwritable' }));
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
