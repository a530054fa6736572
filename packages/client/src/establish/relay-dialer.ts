import type { ClientAttach, ServerEntry } from '@rozan/protocol';
import { type AttachedCarrier, type Attempt, attachOver, type Env, RelayClock, race, TunnelError } from '@rozan/tunnel';
import { ADDRESS_STAGGER_MS, CARRIER_ATTEMPT_MS, SYNC_DOUBT_FAILURES } from '../limits.ts';
import { AddressOrder } from './address-order.ts';
import { type Candidate, candidatesOf, resolveAddress } from './candidates.ts';

/** How many carriers a session has in use at once, and at most to one address of its relay. */
export interface CarrierCount {
  readonly total: number;
  readonly perAddress: number;
}

/** One carrier, whatever a censor may think of several. */
export const ONE_CARRIER: CarrierCount = { total: 1, perAddress: Number.POSITIVE_INFINITY };

/** Makes carriers to one relay: tries the ways of its entry in a good order. */
export class RelayDialer {
  readonly entry: ServerEntry;
  readonly #env: Env;
  readonly #clock: RelayClock;
  readonly #order: AddressOrder<Candidate>;
  /** How many carriers a session with this relay has in use at once. */
  readonly carriers: number;
  #failures = 0;

  /** Throws a `TunnelError` (`bad-params`) when this client has no transport of the entry. */
  constructor(env: Env, entry: ServerEntry, count: CarrierCount = ONE_CARRIER) {
    this.entry = entry;
    this.#env = env;
    this.#clock = new RelayClock(env.clock);
    const candidates = candidatesOf(entry);
    if (candidates.length === 0) {
      throw new TunnelError('bad-params', 'this version has none of the transports that the server entry names');
    }
    const { total, perAddress } = count;
    // One place is kept for the next carrier while an old one is let go.
    const most = Math.max(1, candidates.length * perAddress - 1);
    this.carriers = Math.min(total, most);
    this.#order = new AddressOrder(env.clock, candidates, { spread: this.carriers > 1, perAddress });
  }

  /** Dials and shakes hands. `nextAttach` is called once per handshake. Rejects with a `TunnelError` or the signal's reason. */
  async dial(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const attempts = this.#order.get().map(
      (candidate): Attempt<AttachedCarrier> =>
        async (attemptSignal) => {
          try {
            return await this.#attempt(candidate, nextAttach, attemptSignal);
          } catch (error) {
            if (!signal.aborted) this.#order.noteFailed(candidate);
            throw error;
          }
        },
    );
    try {
      const attached = await race(this.#env.clock, attempts, {
        staggerMs: ADDRESS_STAGGER_MS,
        signal,
        discard: ({ link }) => link.conn.destroy(),
        isFinal: (error) => error instanceof TunnelError && error.code === 'unknown-session',
      });
      this.#failures = 0;
      return attached;
    } catch (error) {
      this.#failures += 1;
      // Silence may mean that one of the clocks has jumped: an unsynced flight has a far wider window.
      if (this.#failures >= SYNC_DOUBT_FAILURES) this.#clock.forget();
      throw error;
    }
  }

  async #attempt(
    candidate: Candidate,
    nextAttach: () => ClientAttach,
    raceSignal: AbortSignal,
  ): Promise<AttachedCarrier> {
    const attempt = new AbortController();
    const cancelTimer = this.#env.clock.setTimer(CARRIER_ATTEMPT_MS, () => {
      attempt.abort(new TunnelError('timed-out', 'the relay did not answer in time'));
    });
    const signal = AbortSignal.any([raceSignal, attempt.signal]);
    try {
      const address = await resolveAddress(candidate.address);
      signal.throwIfAborted();
      const conn = await candidate.transport.dial(this.#env, { address, params: candidate.params, signal });
      const { key, secret } = this.entry;
      const attached = await attachOver(this.#env, conn, {
        relay: { publicKey: key, accessSecret: secret },
        attach: nextAttach(),
        relayClock: this.#clock,
        transport: candidate.transport.name,
        signal,
      });
      conn.once('close', this.#order.noteWorked(candidate));
      return attached;
    } finally {
      cancelTimer();
    }
  }
}
