import {
  type AttachedCarrier,
  type CarrierPlan,
  ClientSession,
  type Env,
  type LogEvent,
  TunnelError,
} from '@rozan/tunnel';
import { codeOf } from './establish/failures.ts';
import type { RelayDialer } from './establish/relay-dialer.ts';

/** What a relay session tells the pool. */
export interface RelaySessionEvents {
  onLive(session: RelaySession): void;
  onClosed(session: RelaySession): void;
}

/**
 * A session and the relay that is its home; turns what happens to it into events without addresses. It is on trial until it is admitted:
 * nothing is told of one that never is, and it makes no further carriers.
 */
export class RelaySession {
  readonly dialer: RelayDialer;
  readonly client: ClientSession;
  /** The relay has asked for new streams to go elsewhere. */
  draining = false;
  readonly #env: Env;
  /** What has happened before it was admitted. */
  #held: LogEvent[] | null = [];

  constructor(
    env: Env,
    options: { dialer: RelayDialer; first: AttachedCarrier; plan: CarrierPlan; events: RelaySessionEvents },
  ) {
    const { dialer, events } = options;
    this.dialer = dialer;
    this.#env = env;
    const relay = dialer.entry.tag;
    const startMs = env.clock.monotonicMs();
    const ageMs = (sinceMs: number) => Math.round(env.clock.monotonicMs() - sinceMs);
    this.#log({ event: 'session.opened', relay });
    let detachedMs: number | null = null;
    this.client = new ClientSession(env, options.first, {
      plan: options.plan,
      dial: async (nextAttach, signal) => {
        if (this.#held !== null) throw new TunnelError('failed', 'a session on trial has one carrier');
        return await dialer.dial(nextAttach, signal);
      },
      events: {
        onAttached: (carrier, resumed) => {
          this.#log({ event: 'carrier.attached', relay, carrier: carrier.id, transport: carrier.transport });
          if (detachedMs !== null) this.#log({ event: 'session.resumed', relay, afterMs: ageMs(detachedMs) });
          detachedMs = null;
          if (resumed && this.#held === null) events.onLive(this);
        },
        onSuspect: (carrier) => this.#log({ event: 'carrier.suspect', relay, carrier: carrier.id }),
        onCarrierLost: (carrier, cause) => {
          const { id, transport, bytesReceived, bytesSent, attachedMs } = carrier;
          this.#log({
            event: 'carrier.lost',
            relay,
            carrier: id,
            transport,
            cause,
            ageMs: ageMs(attachedMs),
            bytesReceived,
            bytesSent,
          });
        },
        onDetached: () => {
          detachedMs = env.clock.monotonicMs();
          this.#log({ event: 'session.detached', relay });
        },
        onAttachFailed: (error) => this.#log({ event: 'attach.failed', relay, code: codeOf(error) }),
        onPlanChanged: ({ state }) => {
          const { carriers, ageMs: cutAfterMs, bytes: bytesUntilCut } = state;
          this.#log({ event: 'carriers.adapted', relay, carriers, cutAfterMs, bytesUntilCut });
        },
        onDrain: () => {
          this.draining = true;
          this.#log({ event: 'relay.draining', relay });
        },
        onClosed: (code) => {
          this.#log({ event: 'session.closed', relay, code, ageMs: ageMs(startMs) });
          if (this.#held === null) events.onClosed(this);
        },
      },
    });
  }

  /** Takes it into use: what has happened so far is told, and from now on what happens. */
  admit(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const event of held) this.#env.log(event);
  }

  #log(event: LogEvent): void {
    if (this.#held === null) this.#env.log(event);
    else this.#held.push(event);
  }
}
