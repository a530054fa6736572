import { type Env, sleep } from '@rozan/tunnel';
import { download } from './download.ts';
import { PAGE_BYTES } from './site.ts';
import type { ClientEvent, SubjectClient } from './subject.ts';

/** What a user has done in one phase. */
export interface UserTally {
  pages: number;
  pagesCame: number;
  readonly pageSeconds: number[];
  /** The same, with when in the phase the page was asked for. */
  readonly pageTimes: { readonly atSeconds: number; readonly tookSeconds: number }[];
  longDownloads: number;
  longDownloadsCame: number;
  /** Downloading: bytes that came, and for how long that went on. */
  downloadBytes: number;
  downloadSeconds: number;
  longestStallSeconds: number;
  sessions: number;
  carriers: number;
}

/** What a user does at the moment. */
export interface Habits {
  readonly isDownloader: boolean;
  readonly pageEverySeconds: number;
  readonly downloadBytes: number;
  readonly downloadRate: number;
  readonly startMs: number;
  /** Nothing long is begun after that; the phase ends by `signal`. */
  readonly lastStartMs: number;
  readonly signal: AbortSignal;
}

const PAGE_PATIENCE_MS = 60_000;
const LONG_SECONDS = 60;
const RETRY_MS = 1_000;

function emptyTally(): UserTally {
  return {
    pages: 0,
    pagesCame: 0,
    pageSeconds: [],
    pageTimes: [],
    longDownloads: 0,
    longDownloadsCame: 0,
    downloadBytes: 0,
    downloadSeconds: 0,
    longestStallSeconds: 0,
    sessions: 0,
    carriers: 0,
  };
}

/** One user of a replay, with a client that runs through all of it. */
export class ReplayUser {
  readonly #env: Env;
  readonly #client: SubjectClient;
  readonly #sessions = new Map<string, boolean>();
  #tally: UserTally = emptyTally();
  /** All bytes of pages and downloads so far. */
  receivedBytes = 0;
  carriers = 0;

  constructor(env: Env, client: SubjectClient) {
    this.#env = env;
    this.#client = client;
    client.onEvent((event) => this.#hear(event));
  }

  /** Whether it has a session with a carrier. */
  get isConnected(): boolean {
    return [...this.#sessions.values()].includes(true);
  }

  #hear({ event, relay }: ClientEvent): void {
    const name = String(relay);
    if (event === 'session.opened') this.#tally.sessions += 1;
    if (event === 'carrier.attached') {
      this.#tally.carriers += 1;
      this.carriers += 1;
    }
    if (event === 'session.opened' || event === 'session.resumed') this.#sessions.set(name, true);
    if (event === 'session.detached') this.#sessions.set(name, false);
    if (event === 'session.closed') this.#sessions.delete(name);
  }

  /** Lives through a phase; gives what came of it. */
  async live(habits: Habits): Promise<UserTally> {
    // A session that was there before is one that the user has in this phase, too.
    this.#tally = { ...emptyTally(), sessions: this.#sessions.size };
    const tally = this.#tally;
    while (!habits.signal.aborted) {
      const isTooLate = performance.now() > habits.lastStartMs;
      if (habits.isDownloader && !isTooLate) await this.#downloadOnce(tally, habits);
      else await this.#readPage(tally, habits);
    }
    return tally;
  }

  async #readPage(tally: UserTally, habits: Habits): Promise<void> {
    const { pageEverySeconds, signal } = habits;
    const thinkMs = pageEverySeconds * 1000 * (0.5 + this.#env.random.fraction());
    await sleep(this.#env, thinkMs, signal).catch(() => {});
    if (signal.aborted) return;
    const startMs = performance.now();
    const patience = AbortSignal.any([signal, AbortSignal.timeout(PAGE_PATIENCE_MS)]);
    const got = await this.#fetch(PAGE_BYTES, 0, patience);
    // A page that the end of the phase has cut short says nothing.
    if (signal.aborted && !got.isWhole) return;
    tally.pages += 1;
    if (!got.isWhole) return;
    tally.pagesCame += 1;
    const tookSeconds = (performance.now() - startMs) / 1000;
    tally.pageSeconds.push(tookSeconds);
    tally.pageTimes.push({ atSeconds: (startMs - habits.startMs) / 1000, tookSeconds });
  }

  async #downloadOnce(tally: UserTally, { downloadBytes, downloadRate, signal }: Habits): Promise<void> {
    const got = await this.#fetch(downloadBytes, downloadRate, signal);
    const seconds = got.ms / 1000;
    tally.downloadBytes += got.bytes;
    tally.downloadSeconds += seconds;
    tally.longestStallSeconds = Math.max(tally.longestStallSeconds, got.longestStallMs / 1000);
    const isCutShort = signal.aborted && !got.isWhole;
    if (seconds > LONG_SECONDS && !isCutShort) {
      tally.longDownloads += 1;
      if (got.isWhole) tally.longDownloadsCame += 1;
    }
    if (!got.isWhole && !signal.aborted) await sleep(this.#env, RETRY_MS, signal).catch(() => {});
  }

  async #fetch(bytes: number, rate: number, signal: AbortSignal): Promise<Awaited<ReturnType<typeof download>>> {
    const startMs = performance.now();
    try {
      await this.#client.ready(signal);
      const conn = await this.#client.connect(signal);
      const onBytes = (count: number) => {
        this.receivedBytes += count;
      };
      return await download(conn, { bytes, rate, signal, onBytes });
    } catch {
      const ms = performance.now() - startMs;
      return { bytes: 0, isWhole: false, ms, firstByteMs: null, longestStallMs: ms };
    }
  }
}
