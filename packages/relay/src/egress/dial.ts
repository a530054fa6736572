import { formatIpAddress, parseIpAddress } from '@rozan/protocol';
import { type Conn, type Env, ipVersion, type Target } from '@rozan/tunnel';
import { EGRESS_BOUNDS } from '../limits/constants.ts';
import { EgressError } from './egress-error.ts';
import { type GuardRules, isAllowed } from './guard.ts';
import { readHost } from './legacy-literal.ts';
import { interleaveFamilies, raceConnect } from './race.ts';
import type { Resolver } from './resolver.ts';

/** Connects to destinations on behalf of clients. */
export interface Egress {
  /**
   * Connects to `target`, or rejects: with an `EgressError` whose `resetCode` goes to the client (`refused`, `unreachable`, `timed-out`,
   * `name-not-found`, `forbidden`, `busy`), or with the signal's reason.
   */
  connect(target: Target, options?: { readonly signal?: AbortSignal | undefined }): Promise<Conn>;
  /**
   * The literal address, in its one notation, that datagrams for `target` go to. IPv4 comes first, since without a connection nothing would
   * tell that the other does not work. Rejects with an `EgressError` as `connect` does.
   */
  locate(target: Target): Promise<string>;
}

/** What of the environment is needed to connect. */
export type EgressEnv = Pick<Env, 'clock'> & { readonly network: Pick<Env['network'], 'dial'> };

/** What `createEgress` needs. */
export interface EgressOptions {
  readonly resolver: Resolver;
  readonly rules: GuardRules;
}

/** The addresses of a host: at once where it is one itself. */
function findAddresses(host: string, resolver: Resolver): readonly string[] | Promise<readonly string[]> {
  const read = readHost(host);
  if (read.kind === 'address') return [read.address];
  if (read.kind === 'malformed') throw new EgressError('name-not-found');
  return resolver.resolve(host);
}

/** Settles as `task` does, unless the signal is aborted before. */
function untilAborted<T>(task: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    task.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

/** The relay's way out: every address is checked by the guard after the look-up, and again where it is dialled. */
class GuardedEgress implements Egress {
  readonly #env: EgressEnv;
  readonly #options: EgressOptions;
  #connecting = 0;

  constructor(env: EgressEnv, options: EgressOptions) {
    this.#env = env;
    this.#options = options;
  }

  async connect(target: Target, { signal }: { readonly signal?: AbortSignal | undefined } = {}): Promise<Conn> {
    signal?.throwIfAborted();
    if (this.#connecting >= EGRESS_BOUNDS.connects) throw new EgressError('busy');
    const deadline = new AbortController();
    const onAbort = (): void => deadline.abort(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const cancelTimer = this.#env.clock.setTimer(EGRESS_BOUNDS.connectTimeoutMs, () =>
      deadline.abort(new EgressError('timed-out')),
    );
    this.#connecting += 1;
    try {
      return await this.#connect(target, deadline.signal);
    } finally {
      this.#connecting -= 1;
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
    }
  }

  async locate(target: Target): Promise<string> {
    const allowed = this.#allowedOf(target, await findAddresses(target.host, this.#options.resolver));
    const literal = allowed.find((each) => ipVersion(each) === 4) ?? allowed[0];
    const address = literal === undefined ? undefined : parseIpAddress(literal);
    if (address === undefined) throw new EgressError('forbidden');
    return formatIpAddress(address);
  }

  #allowedOf(target: Target, found: readonly string[]): readonly string[] {
    const allowed = found.filter((literal) => isAllowed(literal, target.port, this.#options.rules));
    if (allowed.length === 0) throw new EgressError('forbidden');
    return allowed;
  }

  async #connect(target: Target, signal: AbortSignal): Promise<Conn> {
    const found = findAddresses(target.host, this.#options.resolver);
    const allowed = this.#allowedOf(target, found instanceof Promise ? await untilAborted(found, signal) : found);
    const literals = interleaveFamilies(allowed).slice(0, EGRESS_BOUNDS.addressesPerName);
    return raceConnect(this.#env.clock, literals, {
      attempt: (literal, losers) => this.#dial(literal, target.port, losers),
      staggerMs: EGRESS_BOUNDS.attemptStaggerMs,
      signal,
    });
  }

  /** The last check stands right at the door: `dial` takes literals only, so nothing can change the address after it. */
  async #dial(host: string, port: number, signal: AbortSignal): Promise<Conn> {
    if (!isAllowed(host, port, this.#options.rules)) throw new EgressError('forbidden');
    return this.#env.network.dial({ host, port }, { signal });
  }
}

/** Creates the relay's way out. */
export function createEgress(env: EgressEnv, options: EgressOptions): Egress {
  return new GuardedEgress(env, options);
}
