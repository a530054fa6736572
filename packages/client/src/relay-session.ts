import { type AttachedCarrier, ClientSession, type CarrierPlan, type Env, TunnelError } from '@rozan/tunnel';
import type { RelayDialer } from './establish/relay-dialer.ts';

/** What a relay session tells the pool. */
export interface RelaySessionEvents {
  onLive(session: RelaySession): void;
  onClosed(session: RelaySession): void;
}

/** A session and the relay that is its home; turns what happens to it into events without addresses. */
export class RelaySession {
  readonly dialer: RelayDialer;
  readonly client: ClientSession;
  /** The relay has asked for new streams to go elsewhere. */
  draining = false;

  constructor(
    env: Env,
    options: { dialer: RelayDialer; first: AttachedCarrier; plan: CarrierPlan; events: RelaySessionEvents },
  ) {
    const { dialer, events } = options;
    this.dialer = dialer;
    const relay = dialer.entry.tag;
    const startMs = env.clock.monotonicMs();
    const ageMs = (sinceMs: number) => Math.round(env.clock.monotonicMs() - sinceMs);
    env.log({ event: 'session.opened', relay });
    let detachedMs: number | null = null;
    this.client = new ClientSession(env, options.first, {
      plan: options.plan,
      dial: (nextAttach, signal) => dialer.dial(nextAttach, signal),
      events: {
        onAttached: (carrier, resumed) => {
          env.log({ event: 'carrier.attached', relay, carrier: carrier.id, transport: carrier.transport });
          if (detachedMs !== null) env.log({ event: 'session.resumed', relay, afterMs: ageMs(detachedMs) });
          detachedMs = null;
          if (resumed) events.onLive(this);
        },
        onSuspect: (carrier) => env.log({ event: 'carrier.suspect', relay, carrier: carrier.id }),
        onCarrierLost: (carrier, cause) => {
          const { id, transport, bytesReceived, bytesSent, attachedMs } = carrier;
          env.log({
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
          env.log({ event: 'session.detached', relay });
        },
        onAttachFailed: (error) => env.log({ event: 'attach.failed', relay, code: codeOf(error) }),
        onPlanChanged: ({ state }) => {
          const { carriers, ageMs: cutAfterMs, bytes: bytesUntilCut } = state;
          env.log({ event: 'carriers.adapted', relay, carriers, cutAfterMs, bytesUntilCut });
        },
        onDrain: () => {
          this.draining = true;
          env.log({ event: 'relay.draining', relay });
        },
        onClosed: (code) => {
          env.log({ event: 'session.closed', relay, code, ageMs: ageMs(startMs) });
          events.onClosed(this);
        },
      },
    });
  }
}

/** What to call a failure in an event: its code, never its text. */
export function codeOf(error: unknown): string {
  return error instanceof TunnelError ? error.code : 'failed';
}
