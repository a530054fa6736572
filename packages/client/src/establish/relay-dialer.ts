import { type ClientAttach, isAvoided, parseHostPort, type ServerEntry, type TacticsSettings } from '@rozan/protocol';
import {
  type AttachedCarrier,
  type Attempt,
  type Env,
  RelayClock,
  race,
  sleep,
  splittingEnv,
  TunnelError,
} from '@rozan/tunnel';
import {
  ADDRESS_STAGGER_MS,
  CARRIER_ATTEMPT_MS,
  CONNS_PER_ADDRESS,
  ROOM_WAIT_MS,
  SYNC_DOUBT_FAILURES,
} from '../limits.ts';
import { AddressOrder } from './address-order.ts';
import { attemptCarrier, type KnownRelay, type Patience } from './attempt.ts';
import { type Candidate, candidatesOf } from './candidates.ts';
import type { DialLimits } from './dial-limits.ts';
import type { AttemptFailure, Phase } from './failures.ts';
import type { FirstWrites } from './first-writes.ts';
import type { NameResolver } from './name-resolver.ts';
import { TransportPlaces } from './transport-places.ts';

/** How many carriers a session has in use at once, and at most to one address of its relay. */
export interface CarrierCount {
  readonly total: number;
  readonly perAddress: number;
}

/** One carrier, whatever a censor may think of several. */
export const ONE_CARRIER: CarrierCount = { total: 1, perAddress: Number.POSITIVE_INFINITY };

/** What all dialers of a client share. */
export interface DialerTools {
  readonly resolve: NameResolver;
  readonly limits: DialLimits;
  readonly firstWrites: FirstWrites;
  readonly onFailure: (failure: AttemptFailure) => void;
  /** Whether carriers die here when they have carried so many bytes. */
  readonly isCounted?: (() => boolean) | undefined;
  /** What tactics say now. */
  readonly tactics?: (() => TacticsSettings) | undefined;
}

/** What one attempt needs. */
export interface DialOneOptions {
  readonly nextAttach: () => ClientAttach;
  readonly signal: AbortSignal;
  readonly patience: Patience;
  /** The home of the session, if this relay is only to forward to it. */
  readonly home?: KnownRelay | undefined;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
}

const PATIENCE: Patience = { connectMs: CARRIER_ATTEMPT_MS, answerMs: CARRIER_ATTEMPT_MS };

/** Whether the relay has answered, and with what no other way to it would change. */
function isAnswer(error: unknown): boolean {
  return error instanceof TunnelError && (error.code === 'unknown-session' || error.code === 'not-forwarded');
}

/** Makes carriers to one relay: tries the ways of its entry in a good order. */
export class RelayDialer {
  readonly entry: ServerEntry;
  readonly #env: Env;
  readonly #tools: DialerTools;
  readonly #count: CarrierCount;
  readonly relayClock: RelayClock;
  readonly #order: AddressOrder<Candidate>;
  #failures = 0;

  /** Throws a `TunnelError` (`bad-params`) when this client has no transport of the entry. */
  constructor(
    env: Env,
    entry: ServerEntry,
    options: { readonly count?: CarrierCount | undefined; readonly tools: DialerTools },
  ) {
    this.entry = entry;
    this.#env = env;
    this.#tools = options.tools;
    this.relayClock = new RelayClock(env.clock);
    const candidates = candidatesOf(entry);
    if (candidates.length === 0) {
      throw new TunnelError('bad-params', 'this version has none of the transports that the server entry names');
    }
    this.#count = options.count ?? ONE_CARRIER;
    const names = new Set(candidates.map(({ transport }) => transport.name));
    const places = new TransportPlaces(env.random, [...names]);
    this.#order = new AddressOrder(env.clock, candidates, {
      spread: () => this.carriers > 1,
      perAddress: () => this.#perAddress,
      isAvoided: (candidate) => this.isAvoided(candidate),
      isCounted: () => this.#tools.isCounted?.() ?? false,
      place: ({ transport }) => places.placeOf(transport.name, this.#tactics),
    });
  }

  get #tactics(): TacticsSettings {
    return this.#tools.tactics?.() ?? {};
  }

  /** What the user has said goes before tactics. */
  get #perAddress(): number {
    const { perAddress } = this.#count;
    return Number.isFinite(perAddress) ? perAddress : (this.#tactics.carriersPerAddress ?? perAddress);
  }

  /** How many carriers a session with this relay has in use at once, at most. */
  get carriers(): number {
    // One place is kept for the next carrier while an old one is let go.
    const most = Math.max(1, this.#order.size * this.#perAddress - 1);
    return Math.min(this.#count.total, this.#tactics.mostCarriers ?? most, most);
  }

  /** Whether tactics say to try this way only when all others have failed. */
  isAvoided({ transport, entryParams }: Candidate): boolean {
    return isAvoided(this.#tactics, { transport: transport.name, params: entryParams });
  }

  /** The ways to reach the relay, the ones to be tried first in front. */
  get candidates(): readonly Candidate[] {
    return this.#order.get();
  }

  /**
   * Dials and shakes hands; with a `home` it has this relay forward to that one. `nextAttach` is called once per handshake. Rejects with a
   * `TunnelError` (`not-forwarded`: this relay has said no) or the signal's reason.
   */
  async dial(nextAttach: () => ClientAttach, signal: AbortSignal, home?: KnownRelay): Promise<AttachedCarrier> {
    const attempts = this.candidates.map(
      (candidate): Attempt<AttachedCarrier> =>
        async (attemptSignal) => {
          try {
            const patience = PATIENCE;
            return await this.#attempt(candidate, { nextAttach, signal: attemptSignal, patience, home });
          } catch (error) {
            if (!(signal.aborted || isAnswer(error))) this.#order.noteFailed(candidate);
            throw error;
          }
        },
    );
    try {
      const attached = await race(this.#env.clock, attempts, {
        staggerMs: ADDRESS_STAGGER_MS,
        signal,
        discard: ({ link }) => link.conn.destroy(),
        isFinal: isAnswer,
      });
      this.#failures = 0;
      return attached;
    } catch (error) {
      if (!isAnswer(error)) this.#noteFailure();
      throw error;
    }
  }

  /** Dials by one candidate, and shakes hands. Rejects with a `TunnelError` or the signal's reason. */
  async dialOne(candidate: Candidate, options: DialOneOptions): Promise<AttachedCarrier> {
    try {
      const attached = await this.#attempt(candidate, options);
      this.#failures = 0;
      return attached;
    } catch (error) {
      if (!options.signal.aborted) {
        this.#order.noteFailed(candidate);
        this.#noteFailure();
      }
      throw error;
    }
  }

  #noteFailure(): void {
    this.#failures += 1;
    // Silence may mean that one of the clocks has jumped: an unsynced flight has a far wider window.
    if (this.#failures >= SYNC_DOUBT_FAILURES) this.relayClock.forget();
  }

  async #attempt(candidate: Candidate, options: DialOneOptions): Promise<AttachedCarrier> {
    const { limits, resolve, onFailure, firstWrites } = this.#tools;
    const wasSplit = firstWrites.isSplit;
    const leave = await this.#enter(candidate, options.signal);
    const end = await limits.enter(hostOf(candidate), options.signal).catch((error: unknown) => {
      leave();
      throw error;
    });
    try {
      const attached = await attemptCarrier(wasSplit ? splittingEnv(this.#env) : this.#env, candidate, {
        ...options,
        ...{ entry: this.entry, relayClock: this.relayClock, resolve, onFailure },
      });
      this.#order.noteWorked(candidate, attached.link.conn);
      return {
        ...attached,
        onSuspect: (bytes) => {
          this.#order.noteSilent(candidate);
          firstWrites.noteSilent({ wasSplit, bytes });
        },
        onFoulEnd: () => this.#order.noteDied(candidate),
        isSpared: () => this.#order.isSpared(candidate),
      };
    } finally {
      end();
      leave();
    }
  }

  /** Waits for a place among the connections to an address; what is silent there is given up before long. Rejects with the signal's reason. */
  async #enter(candidate: Candidate, signal: AbortSignal): Promise<() => void> {
    for (;;) {
      const leave = this.#order.enter(candidate, CONNS_PER_ADDRESS);
      if (leave !== null) return leave;
      await sleep(this.#env, ROOM_WAIT_MS, signal);
    }
  }
}

/** The host of a candidate, for counting. Never to be logged. */
export function hostOf({ address }: Candidate): string {
  return parseHostPort(address).host;
}

/** The latest time that a relay has told, in ms since 1970; null before one has. */
export function latestAttestedMs(dialers: readonly RelayDialer[]): number | null {
  const stamps = dialers.map(({ relayClock }) => relayClock.stamp()).filter(({ synced }) => synced);
  return stamps.length === 0 ? null : Math.max(...stamps.map(({ stampMs }) => stampMs));
}
