import {
  type AttachedCarrier,
  type CancelTimer,
  type Carrier,
  type CarrierPlan,
  ClientSession,
  type Env,
  type LogEvent,
  TunnelError,
} from '@rozan/tunnel';
import { CarrierRoutes } from './establish/carrier-routes.ts';
import { codeOf } from './establish/failures.ts';
import type { RelayDialer } from './establish/relay-dialer.ts';

/** What a relay session tells the pool. */
export interface RelaySessionEvents {
  onLive(session: RelaySession): void;
  onClosed(session: RelaySession): void;
}

/** What a relay session needs. */
export interface RelaySessionOptions {
  readonly dialer: RelayDialer;
  readonly first: AttachedCarrier;
  readonly plan: CarrierPlan;
  /** See `ClientSessionOptions`. */
  readonly suspectMs?: number | undefined;
  readonly events: RelaySessionEvents;
  /** Other relays that may forward to this one, the preferred ones first. */
  readonly others: () => Promise<readonly RelayDialer[]>;
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
  readonly #routes: CarrierRoutes<RelayDialer>;
  /** What has happened before it was admitted. */
  #held: LogEvent[] | null = [];
  /** Its carriers come through another relay, as the last one has. */
  #isRerouted = false;
  #cancelReturn: CancelTimer = () => {};

  constructor(env: Env, options: RelaySessionOptions) {
    const { dialer, events } = options;
    this.dialer = dialer;
    this.#routes = new CarrierRoutes(env, {
      home: dialer,
      others: options.others,
      isSilent: () => this.client.session.carriers.some(({ suspect }) => suspect),
    });
    this.#env = env;
    const relay = dialer.entry.tag;
    const startMs = env.clock.monotonicMs();
    const ageMs = (sinceMs: number) => Math.round(env.clock.monotonicMs() - sinceMs);
    this.#log({ event: 'session.opened', relay });
    let detachedMs: number | null = null;
    this.client = new ClientSession(env, options.first, {
      plan: options.plan,
      suspectMs: options.suspectMs,
      dial: async (nextAttach, signal) => {
        if (this.#held !== null) throw new TunnelError('failed', 'a session on trial has one carrier');
        return await this.#routes.dial(nextAttach, signal);
      },
      events: {
        onAttached: (carrier, resumed) => {
          const { id, transport } = carrier;
          this.#log({ event: 'carrier.attached', relay, carrier: id, transport, ...throughOf(carrier) });
          this.#noteRoute(carrier);
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
            ...throughOf(carrier),
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
          this.#cancelReturn();
          this.#log({ event: 'session.closed', relay, code, ageMs: ageMs(startMs) });
          if (this.#held === null) events.onClosed(this);
        },
      },
    });
  }

  /** Its carriers come through another relay, because its own cannot be reached: new streams are better off elsewhere. */
  get rerouted(): boolean {
    return this.#isRerouted;
  }

  /** Tells of a change between direct carriers and forwarded ones, and sees to it that the session returns. */
  #noteRoute({ through }: Carrier): void {
    const isRerouted = through !== null;
    if (isRerouted === this.#isRerouted) return;
    this.#isRerouted = isRerouted;
    const relay = this.dialer.entry.tag;
    if (isRerouted) this.#log({ event: 'session.rerouted', relay, through });
    else this.#log({ event: 'session.returned', relay });
    this.#cancelReturn();
    if (isRerouted) this.#returnLater();
  }

  #returnLater(): void {
    this.#cancelReturn = this.#env.clock.setTimer(this.#routes.nextReturnMs(), () => {
      this.#tryReturn().catch(() => {});
    });
  }

  /** Replaces forwarded carriers by direct ones, as far as these can be made. */
  async #tryReturn(): Promise<void> {
    const { client } = this;
    const forwarded = client.session.carriers.filter(({ usable, through }) => usable && through !== null);
    for (const _ of forwarded) {
      if (!(await client.attachBeside((nextAttach, signal) => this.#routes.dialDirect(nextAttach, signal)))) break;
    }
    if (this.#isRerouted && !client.session.closed) this.#returnLater();
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

/** For events: through which relay a carrier comes, if not directly. */
function throughOf({ through }: Carrier): { readonly through?: string } {
  return through === null ? {} : { through };
}
