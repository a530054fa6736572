import { domainToASCII } from 'node:url';
import type { Clock } from '@rozan/tunnel';
import { BoundedMap } from '../limits/bounded-map.ts';
import { EGRESS_BOUNDS } from '../limits/constants.ts';
import { EgressError } from './egress-error.ts';
import { type Lookup, serverLookup, systemLookup } from './lookup.ts';
import { Turnstile } from './turnstile.ts';

/** Finds the addresses of host names. */
export interface Resolver {
  /**
   * All addresses of `name`, as literals in the order in which the source prefers them; at least one.
   * Rejects with an `EgressError`: `name-not-found`, `timed-out`, `busy` (too many look-ups wait) or `unreachable` (no server answers).
   */
  resolve(name: string): Promise<readonly string[]>;
}

/** How `createResolver` asks. */
export interface ResolverOptions {
  /** Name servers to ask instead of the machine's own resolver. */
  readonly servers?: readonly string[] | undefined;
  /** Replaces both, for tests. */
  readonly lookup?: Lookup | undefined;
}

interface CacheEntry {
  readonly result: readonly string[] | EgressError;
  readonly untilMs: number;
}

/** Labels of up to 63 letters, digits, hyphens or underscores, 253 in all (RFC 1035 §2.3.4; underscores are in use). */
const NAME = /^(?=.{1,253}$)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/;

/** The form in which a name is looked up and cached: lower case, ASCII (IDNA), no final dot. Null if it can be no host name. */
export function normaliseName(name: string): string | null {
  if (name.length > 1_024) return null;
  const ascii = /^[\x21-\x7e]*$/.test(name) ? name.toLowerCase() : domainToASCII(name);
  const bare = ascii.endsWith('.') ? ascii.slice(0, -1) : ascii;
  return NAME.test(bare) ? bare : null;
}

/** Codes by which `node:dns` says that the name, not the look-up, is at fault. */
const NOT_FOUND_CODES: ReadonlySet<string> = new Set([
  'ENOTFOUND',
  'ENODATA',
  'ENONAME',
  'EBADNAME',
  'ERR_INVALID_ARG_VALUE',
]);
const TIMEOUT_CODES: ReadonlySet<string> = new Set(['ETIMEOUT', 'ETIMEDOUT', 'EAI_AGAIN', 'ECANCELLED']);

function egressErrorOf(error: unknown): EgressError {
  if (error instanceof EgressError) return error;
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  // The cause is left out on purpose: its text names the host.
  if (NOT_FOUND_CODES.has(code)) return new EgressError('name-not-found');
  return new EgressError(TIMEOUT_CODES.has(code) ? 'timed-out' : 'unreachable');
}

function withTimeout<T>(clock: Clock, delayMs: number, task: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.setTimer(delayMs, () => reject(new EgressError('timed-out')));
    task.then(resolve, reject).finally(cancel);
  });
}

/** Looks names up with bounded time and concurrency; equal names share one look-up, answers are kept for a short while. */
class CachingResolver implements Resolver {
  readonly #clock: Clock;
  readonly #lookup: Lookup;
  readonly #cache = new BoundedMap<string, CacheEntry>(EGRESS_BOUNDS.cachedNames);
  readonly #pending = new Map<string, Promise<readonly string[]>>();
  readonly #turnstile = new Turnstile({ running: EGRESS_BOUNDS.lookups, waiting: EGRESS_BOUNDS.queuedLookups });

  constructor(clock: Clock, lookup: Lookup) {
    this.#clock = clock;
    this.#lookup = lookup;
  }

  async resolve(name: string): Promise<readonly string[]> {
    const host = normaliseName(name);
    if (host === null) throw new EgressError('name-not-found');
    const cached = this.#cached(host);
    if (cached instanceof EgressError) throw cached;
    if (cached !== null) return cached;
    const pending = this.#pending.get(host);
    if (pending !== undefined) return pending;
    const asked = this.#ask(host).finally(() => this.#pending.delete(host));
    this.#pending.set(host, asked);
    return asked;
  }

  #cached(host: string): readonly string[] | EgressError | null {
    const entry = this.#cache.get(host);
    if (entry === undefined) return null;
    if (entry.untilMs > this.#clock.monotonicMs()) return entry.result;
    this.#cache.delete(host);
    return null;
  }

  async #ask(host: string): Promise<readonly string[]> {
    // The turn is held until the look-up itself ends, late or not: a thread may be busy with it.
    const turn = this.#turnstile.run(() => this.#lookup(host));
    if (turn === null) throw new EgressError('busy');
    try {
      const answer = await withTimeout(this.#clock, EGRESS_BOUNDS.lookupTimeoutMs, turn);
      if (answer.addresses.length === 0) throw new EgressError('name-not-found');
      const keepMs = Math.min(answer.ttlMs ?? EGRESS_BOUNDS.longestCacheMs, EGRESS_BOUNDS.longestCacheMs);
      this.#keep(host, answer.addresses, keepMs);
      return answer.addresses;
    } catch (error) {
      const egressError = egressErrorOf(error);
      if (egressError.resetCode === 'name-not-found') this.#keep(host, egressError, EGRESS_BOUNDS.negativeCacheMs);
      throw egressError;
    }
  }

  #keep(host: string, result: CacheEntry['result'], keepMs: number): void {
    if (keepMs > 0) this.#cache.set(host, { result, untilMs: this.#clock.monotonicMs() + keepMs });
  }
}

/** A resolver that asks the machine, or the servers named in `options`. */
export function createResolver(clock: Clock, options: ResolverOptions = {}): Resolver {
  if (options.lookup !== undefined) return new CachingResolver(clock, options.lookup);
  const { servers = [] } = options;
  if (servers.length === 0) return new CachingResolver(clock, systemLookup);
  const { lookupTimeoutMs: timeoutMs, resolutionDelayMs } = EGRESS_BOUNDS;
  return new CachingResolver(clock, serverLookup(clock, { servers, timeoutMs, resolutionDelayMs }));
}
