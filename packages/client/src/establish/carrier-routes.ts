import type { ClientAttach } from '@rozan/protocol';
import { type AttachedCarrier, backoffMs, type Env, race, TunnelError } from '@rozan/tunnel';
import {
  NOT_FORWARDED_MS,
  REROUTE_AFTER_MS,
  REROUTE_AFTER_SILENCE_MS,
  REROUTE_RELAYS,
  REROUTE_ROUND_TRIPS,
  REROUTE_STAGGER_MS,
  RETURN_BACKOFF,
  RETURN_SETTLED_MS,
} from '../limits.ts';
import type { RelayDialer } from './relay-dialer.ts';

/** A relay, as far as it is dialled here. */
export type RouteDialer = Pick<RelayDialer, 'entry' | 'relayClock' | 'dial'>;

/** What `CarrierRoutes` needs. */
export interface CarrierRoutesOptions<Dialer extends RouteDialer> {
  /** The relay that has the session. */
  readonly home: Dialer;
  /** Other relays that may forward to it, the preferred ones first. */
  readonly others: () => Promise<readonly Dialer[]>;
  /** Whether a carrier of the session has been silent for too long. */
  readonly isSilent: () => boolean;
}

/**
 * How the carriers of one session get to its home: directly, or, where that fails, through another relay (docs/spec/reroute.md §6). Which
 * relays forward to which is not known beforehand: they are asked.
 */
export class CarrierRoutes<Dialer extends RouteDialer> {
  readonly #env: Env;
  readonly #options: CarrierRoutesOptions<Dialer>;
  readonly #refusedMs = new Map<Dialer, number>();
  readonly #worked = new Set<Dialer>();
  #forwarder: Dialer | null = null;
  #roundTripMs = 0;
  #returns = 0;
  #returnedMs = Number.NEGATIVE_INFINITY;

  constructor(env: Env, options: CarrierRoutesOptions<Dialer>) {
    this.#env = env;
    this.#options = options;
  }

  /** The tag of the relay through which the last carrier came; null if that was a direct one. */
  get through(): string | null {
    return this.#forwarder?.entry.tag ?? null;
  }

  /** Makes a carrier by whichever way works. Rejects with a `TunnelError` or the signal's reason. */
  async dial(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const direct = (attemptSignal: AbortSignal) => this.dialDirect(nextAttach, attemptSignal);
    const through = (attemptSignal: AbortSignal) => this.#dialThrough(nextAttach, attemptSignal);
    const leastMs = this.#options.isSilent() ? REROUTE_AFTER_SILENCE_MS : REROUTE_AFTER_MS;
    const afterMs = Math.max(leastMs, REROUTE_ROUND_TRIPS * this.#roundTripMs);
    const isRerouted = this.#forwarder !== null;
    return await race(this.#env.clock, isRerouted ? [through, direct] : [direct, through], {
      staggerMs: isRerouted ? REROUTE_STAGGER_MS : afterMs,
      signal,
      discard: ({ link }) => link.conn.destroy(),
      isFinal: isSessionOver,
      // Why the home cannot be reached says more than that nobody forwards to it.
      failureOf: (errors) => errors.find(isSessionOver) ?? errors.find((error) => !isNotForwarded(error)) ?? errors[0],
    });
  }

  /** Makes a carrier by the home's own ways. Rejects like `dial`. */
  async dialDirect(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const attached = await this.#options.home.dial(nextAttach, signal);
    if (signal.aborted) return attached;
    if (this.#forwarder !== null) this.#returnedMs = this.#env.clock.monotonicMs();
    this.#forwarder = null;
    this.#roundTripMs = attached.link.roundTripMs ?? 0;
    return attached;
  }

  async #dialThrough(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const { home } = this.#options;
    const relays = this.#inOrder(await this.#options.others()).slice(0, REROUTE_RELAYS);
    if (relays.length === 0) throw new TunnelError('not-forwarded', 'no other relay is known');
    const attempts = relays.map((relay) => async (attemptSignal: AbortSignal) => {
      try {
        const attached = await relay.dial(nextAttach, attemptSignal, home);
        return { attached, relay };
      } catch (error) {
        if (!attemptSignal.aborted) this.#noteRefused(relay);
        throw error;
      }
    });
    const { attached, relay } = await race(this.#env.clock, attempts, {
      staggerMs: REROUTE_STAGGER_MS,
      signal,
      discard: ({ attached: { link } }) => link.conn.destroy(),
      isFinal: isSessionOver,
    });
    if (!signal.aborted) this.#noteForwarded(relay);
    return attached;
  }

  /** Those that have forwarded before, then those that have not said no of late, each as they were given. */
  #inOrder(relays: readonly Dialer[]): Dialer[] {
    const nowMs = this.#env.clock.monotonicMs();
    const hasRefused = (relay: Dialer) => nowMs - (this.#refusedMs.get(relay) ?? -NOT_FORWARDED_MS) < NOT_FORWARDED_MS;
    const rank = (relay: Dialer) => {
      if (hasRefused(relay)) return 3 + (this.#refusedMs.get(relay) ?? 0);
      if (relay === this.#forwarder) return 0;
      return this.#worked.has(relay) ? 1 : 2;
    };
    return [...relays].sort((a, b) => rank(a) - rank(b));
  }

  #noteRefused(relay: Dialer): void {
    this.#refusedMs.set(relay, this.#env.clock.monotonicMs());
    this.#worked.delete(relay);
  }

  #noteForwarded(relay: Dialer): void {
    const nowMs = this.#env.clock.monotonicMs();
    if (this.#forwarder === null && nowMs - this.#returnedMs > RETURN_SETTLED_MS) this.#returns = 0;
    this.#forwarder = relay;
    this.#worked.add(relay);
    this.#refusedMs.delete(relay);
  }

  /** After how long a rerouted session should try its home again. Each call is a longer time than the one before. */
  nextReturnMs(): number {
    this.#returns += 1;
    return backoffMs(this.#returns, { ...RETURN_BACKOFF, fraction: this.#env.random.fraction() });
  }
}

/** Only the home itself, authenticated, can say this. */
function isSessionOver(error: unknown): boolean {
  return error instanceof TunnelError && error.code === 'unknown-session';
}

function isNotForwarded(error: unknown): boolean {
  return error instanceof TunnelError && error.code === 'not-forwarded';
}
