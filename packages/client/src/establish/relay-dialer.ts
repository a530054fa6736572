import type { ClientAttach, ServerEntry } from '@rozan/protocol';
import { type AttachedCarrier, type Attempt, attachOver, type Env, RelayClock, race, TunnelError } from '@rozan/tunnel';
import { ADDRESS_STAGGER_MS, CARRIER_ATTEMPT_MS, SYNC_DOUBT_FAILURES } from '../limits.ts';
import { type Candidate, candidatesOf, resolveAddress } from './candidates.ts';

/** Makes carriers to one relay: tries the ways of its entry, the one that worked last first. */
export class RelayDialer {
  readonly entry: ServerEntry;
  readonly #env: Env;
  readonly #clock: RelayClock;
  #candidates: Candidate[];
  #failures = 0;

  /** Throws a `TunnelError` (`bad-params`) when this client has no transport of the entry. */
  constructor(env: Env, entry: ServerEntry) {
    this.entry = entry;
    this.#env = env;
    this.#clock = new RelayClock(env.clock);
    this.#candidates = candidatesOf(entry);
    if (this.#candidates.length === 0) {
      throw new TunnelError('bad-params', 'this version has none of the transports that the server entry names');
    }
  }

  /** Dials and shakes hands. `nextAttach` is called once per handshake. Rejects with a `TunnelError` or the signal's reason. */
  async dial(nextAttach: () => ClientAttach, signal: AbortSignal): Promise<AttachedCarrier> {
    const attempts = this.#candidates.map(
      (candidate): Attempt<AttachedCarrier> =>
        (attemptSignal) =>
          this.#attempt(candidate, nextAttach, attemptSignal),
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
      this.#candidates = [candidate, ...this.#candidates.filter((other) => other !== candidate)];
      return attached;
    } finally {
      cancelTimer();
    }
  }
}
