import type { CancelTimer, Clock } from '@rozan/tunnel';
import { PublicationError, type PublicationErrorCode } from '../errors.ts';
import { DEFAULT_FAILURES_PER_MIRROR, MAX_MIRRORS, MIRROR_IDLE_MS } from '../limits.ts';
import { MirrorConnection, type MirrorDial } from './mirror-connection.ts';

/** Which mirrors there are, and how they are reached. */
export interface MirrorOptions {
  /** Base URLs, `http:` or `https:`, the preferred ones first. */
  readonly urls: readonly string[];
  readonly dial: MirrorDial;
  /** Attempts at one before the next one is tried; defaults to 2. */
  readonly failuresPerMirror?: number | undefined;
}

/** Does something with a mirror. */
export type MirrorTask<T> = (mirror: MirrorConnection) => Promise<T>;

/** What trying again at the same mirror may mend. */
const PASSING: ReadonlySet<PublicationErrorCode> = new Set(['unavailable', 'too-slow']);
/** What tells less than any other failure. */
const SILENT: ReadonlySet<PublicationErrorCode> = new Set(['unavailable', 'too-slow', 'not-found']);

/** Tries mirrors one after the other, beginning with the one that worked last. */
export class Mirrors implements Disposable {
  readonly #clock: Clock;
  readonly #bases: readonly URL[];
  readonly #dial: MirrorDial;
  readonly #failuresPerMirror: number;
  #preferred = 0;
  #receivedBytes = 0;
  /** What worked last, for as long as it may be of use again. */
  #open: { readonly base: URL; readonly mirror: MirrorConnection } | null = null;
  #cancelIdle: CancelTimer = () => {};

  /** Throws a `PublicationError` (`malformed`) for what is no URL of a mirror, `too-large` for too many. */
  constructor(clock: Clock, { urls, dial, failuresPerMirror = DEFAULT_FAILURES_PER_MIRROR }: MirrorOptions) {
    if (urls.length > MAX_MIRRORS) throw new PublicationError('too-large', `there may be ${MAX_MIRRORS} mirrors`);
    this.#clock = clock;
    this.#bases = urls.map(parseBase);
    this.#dial = dial;
    this.#failuresPerMirror = Math.max(1, failuresPerMirror);
  }

  /** Bytes of bodies that have come over the line so far. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /**
   * Does the task with the first mirror that can. After a failure that may pass it is tried there again, up to the set number; after any other
   * the next mirror has its turn. Where `isGood` says no, the others are asked as well, and the last good-enough outcome is given. Rejects with
   * the failure that tells most, or the signal's reason.
   */
  async attempt<T>(
    task: MirrorTask<T>,
    options: { readonly signal?: AbortSignal | undefined; readonly isGood?: (outcome: T) => boolean } = {},
  ): Promise<T> {
    const { signal, isGood = () => true } = options;
    const failures: unknown[] = [];
    let second: { readonly outcome: T } | null = null;
    for (let turn = 0; turn < this.#bases.length; turn++) {
      const index = (this.#preferred + turn) % this.#bases.length;
      const base = this.#bases[index];
      if (base === undefined) break;
      const done = await this.#attemptAt(base, { task, signal, failures });
      if (done === null) continue;
      if (isGood(done.outcome)) {
        this.#preferred = index;
        return done.outcome;
      }
      second ??= done;
    }
    if (second !== null) return second.outcome;
    throw mostTelling(failures);
  }

  async #attemptAt<T>(
    base: URL,
    { task, signal, failures }: { task: MirrorTask<T>; signal: AbortSignal | undefined; failures: unknown[] },
  ): Promise<{ readonly outcome: T } | null> {
    for (let attempt = 0; attempt < this.#failuresPerMirror; attempt++) {
      const mirror = this.#connectionTo(base);
      const before = mirror.receivedBytes;
      let isFine = false;
      try {
        const outcome = await task(mirror);
        isFine = true;
        return { outcome };
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof PublicationError) || error.code === 'storage') throw error;
        failures.push(error);
        if (!PASSING.has(error.code)) return null;
      } finally {
        this.#receivedBytes += mirror.receivedBytes - before;
        if (isFine) this.#closeLater();
        else this[Symbol.dispose]();
      }
    }
    return null;
  }

  #connectionTo(base: URL): MirrorConnection {
    this.#cancelIdle();
    if (this.#open?.base === base) return this.#open.mirror;
    this[Symbol.dispose]();
    const mirror = new MirrorConnection(this.#clock, { base, dial: this.#dial });
    this.#open = { base, mirror };
    return mirror;
  }

  #closeLater(): void {
    this.#cancelIdle = this.#clock.setTimer(MIRROR_IDLE_MS, () => this[Symbol.dispose]());
  }

  /** Closes what is open; the next attempt opens it again. */
  [Symbol.dispose](): void {
    this.#cancelIdle();
    this.#open?.mirror[Symbol.dispose]();
    this.#open = null;
  }
}

function mostTelling(failures: readonly unknown[]): unknown {
  const isTelling = (error: unknown) => error instanceof PublicationError && !SILENT.has(error.code);
  const found = failures.find(isTelling) ?? failures.at(-1);
  return (
    found ??
    new PublicationError('unavailable', 'there is no mirror to ask', { remedy: 'Name one: the URL of a publication.' })
  );
}

function parseBase(text: string): URL {
  const url = URL.parse(text.endsWith('/') ? text : `${text}/`);
  if (url === null || !['http:', 'https:'].includes(url.protocol) || url.username !== '' || url.search !== '') {
    throw new PublicationError('malformed', 'the URL of a mirror reads like https://HOST/PATH/');
  }
  return url;
}
