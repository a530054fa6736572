import { type ClientAttach, LookupCounter, type ResetCode } from '@rozan/protocol';
import type { CancelTimer, Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import {
  ATTACH_BACKOFF_MAX_MS,
  ATTACH_BACKOFF_MIN_MS,
  FIRST_PING_MS,
  MAX_PING_MS,
  SUSPECT_MS,
  SUSPECT_ROUND_TRIPS,
  WATCH_MS,
} from '../limits.ts';
import type { Conn } from '../network.ts';
import { backoffMs, sleep } from './backoff.ts';
import type { Carrier, CarrierLossCause } from './carrier.ts';
import type { AttachedCarrier } from './client-handshake.ts';
import { DrainedConns } from './drained-conns.ts';
import { RotationLimits, type RotationPolicy } from './rotation.ts';
import { Session } from './session.ts';

/** The longest time between two looks at the carriers. */
const LONGEST_WATCH_MS = 1.5 * WATCH_MS;

/** Makes a carrier: dials, shakes hands. `nextAttach` is called once for each handshake tried. */
export type DialCarrier = (nextAttach: () => ClientAttach, signal: AbortSignal) => Promise<AttachedCarrier>;

/** What a client session tells its owner. */
export interface ClientSessionEvents {
  onAttached?(carrier: Carrier, resumed: boolean): void;
  onCarrierLost?(carrier: Carrier, cause: CarrierLossCause): void;
  onSuspect?(carrier: Carrier): void;
  /** No carrier is left; new ones are being dialled. */
  onDetached?(): void;
  onAttachFailed?(error: unknown): void;
  onDrain?(): void;
  onClosed?(code: ResetCode): void;
}

/** How a client session is set up. */
export interface ClientSessionOptions {
  readonly dial: DialCarrier;
  readonly rotation: RotationPolicy;
  readonly events: ClientSessionEvents;
}

/** A session from the client's side: it keeps carriers under the session, whatever happens to them. */
export class ClientSession {
  readonly #env: Env;
  readonly #options: ClientSessionOptions;
  readonly #session: Session;
  readonly #secret: Buffer;
  readonly #counter = new LookupCounter();
  readonly #limits = new Map<Carrier, RotationLimits>();
  /** Carriers that another has replaced and that are let go in a moment. */
  readonly #leaving = new Set<Carrier>();
  /** Connections on which bytes were changed: they stay open, so that nobody sees that it was noticed. */
  readonly #drained = new DrainedConns();
  readonly #over = new AbortController();
  readonly #retentionMs: number;
  #nextCarrierId = 1;
  #attaching = false;
  #isDraining = false;
  /** Carriers lost one after the other on which no record came: somebody lets handshakes through and nothing else. */
  #fruitless = 0;
  #detachedSinceMs: number | null = null;
  /** Since when no carrier has answered: there is none, or suspect ones only. */
  #unansweredSinceMs: number | null = null;
  #cancelWatch: CancelTimer = () => {};

  /** Starts a session over its first carrier. */
  constructor(env: Env, first: AttachedCarrier, options: ClientSessionOptions) {
    if (first.sessionSecret === null) throw new TunnelError('violation', 'not a new session');
    this.#env = env;
    this.#options = options;
    this.#secret = first.sessionSecret;
    this.#retentionMs = first.reply.retentionMs;
    this.#session = new Session(env, {
      role: 'client',
      events: {
        onCarrierLost: (carrier, cause) => this.#onCarrierLost(carrier, cause),
        onDrain: () => this.#onDrain(),
        onClosed: (code) => this.#onClosed(code),
        onProgress: (carrier) => this.#checkRotation(carrier),
      },
    });
    this.#add(first, false);
    this.#watchLater();
  }

  /** Streams and carriers. */
  get session(): Session {
    return this.#session;
  }

  /** For how long it has had no carrier; 0 while it has one. */
  get detachedMs(): number {
    return this.#detachedSinceMs === null ? 0 : this.#env.clock.monotonicMs() - this.#detachedSinceMs;
  }

  /** For how long no carrier has answered: there is none, or all are suspect. 0 while one does. Looked at twice a second. */
  get unansweredMs(): number {
    return this.#unansweredSinceMs === null ? 0 : this.#env.clock.monotonicMs() - this.#unansweredSinceMs;
  }

  /** Ends the session and tells the relay. */
  close(code: ResetCode): void {
    this.#session.close(code);
  }

  #onClosed(code: ResetCode): void {
    this.#cancelWatch();
    this.#over.abort(new TunnelError('session-closed', 'the session is over'));
    this.#drained.lingerAll(this.#env);
    this.#options.events.onClosed?.(code);
  }

  /** A relay that says it again says nothing new. */
  #onDrain(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    this.#options.events.onDrain?.();
  }

  // --- carriers -------------------------------------------------------------------------------------------------------------------

  #add(attached: AttachedCarrier, resumed: boolean): void {
    const link = { ...attached.link, onUnauthentic: (conn: Conn) => this.#drained.take(this.#env, conn) };
    const carrier = this.#session.addCarrier(link, { confirmed: true, leftover: attached.leftover });
    if (carrier.lost) return;
    this.#detachedSinceMs = null;
    this.#noteAnswers();
    this.#limits.set(carrier, new RotationLimits(this.#env, this.#options.rotation));
    this.#options.events.onAttached?.(carrier, resumed);
    for (const older of this.#session.carriers) if (older !== carrier) this.#replace(older);
  }

  /** Lets go of a carrier that another has replaced: a silent one at once, any other after a short, random overlap. */
  #replace(older: Carrier): void {
    if (older.suspect) {
      this.#session.giveUp(older);
      return;
    }
    if (this.#leaving.has(older) || older.retired) return;
    this.#leaving.add(older);
    const overlapMs = 50 + this.#env.random.fraction() * 450;
    this.#env.clock.setTimer(overlapMs, () => {
      this.#leaving.delete(older);
      // What replaced it may be gone by now, and then it is all there is.
      if (!this.#session.carriers.some((carrier) => carrier !== older && carrier.usable)) return;
      if (older.suspect) this.#session.giveUp(older);
      else this.#session.retire(older);
    });
  }

  #onCarrierLost(carrier: Carrier, cause: CarrierLossCause): void {
    this.#limits.delete(carrier);
    this.#leaving.delete(carrier);
    this.#fruitless = carrier.receivedRecords > 0 ? 0 : this.#fruitless + 1;
    this.#options.events.onCarrierLost?.(carrier, cause);
    this.#noteAnswers();
    if (this.#session.closed || this.#session.attached) return;
    if (this.#detachedSinceMs === null) {
      this.#detachedSinceMs = this.#env.clock.monotonicMs();
      this.#options.events.onDetached?.();
    }
    this.#attach(() => !this.#session.attached);
  }

  #nextAttach(confirm: Map<number, number>): ClientAttach {
    const counter = this.#counter.take();
    const carrierId = this.#nextCarrierId;
    this.#nextCarrierId += 1;
    confirm.set(carrierId, counter);
    return { kind: 'resume', sessionSecret: this.#secret, counter, carrierId };
  }

  /** Attaches one carrier, trying as long as `needed`. One at a time. */
  #attach(needed: () => boolean): void {
    if (this.#attaching) return;
    this.#attaching = true;
    const run = async (): Promise<void> => {
      for (let failures = this.#fruitless; needed() && !this.#session.closed; failures += 1) {
        if (failures > 0) await sleep(this.#env, this.#waitMs(failures), this.#over.signal);
        if (await this.#tryAttach()) return;
      }
    };
    run()
      .catch(() => {})
      .finally(() => {
        this.#attaching = false;
        if (!this.#session.closed && !this.#session.attached) this.#attach(() => !this.#session.attached);
      });
  }

  #waitMs(failures: number): number {
    return backoffMs(failures, {
      minMs: ATTACH_BACKOFF_MIN_MS,
      maxMs: ATTACH_BACKOFF_MAX_MS,
      fraction: this.#env.random.fraction(),
    });
  }

  async #tryAttach(): Promise<boolean> {
    const counters = new Map<number, number>();
    try {
      const attached = await this.#options.dial(() => this.#nextAttach(counters), this.#over.signal);
      const counter = counters.get(attached.link.carrierId);
      if (counter !== undefined) this.#counter.confirm(counter);
      this.#add(attached, true);
      return true;
    } catch (error) {
      if (this.#session.closed) return true;
      this.#options.events.onAttachFailed?.(error);
      // Only the authenticated relay itself can say this (DESIGN §3.1, "home lost").
      if (error instanceof TunnelError && error.code === 'unknown-session') this.#session.close('session-lost');
      return this.#session.closed;
    }
  }

  // --- watching -------------------------------------------------------------------------------------------------------------------

  #watchLater(): void {
    const delayMs = WATCH_MS * (0.5 + this.#env.random.fraction());
    this.#cancelWatch = this.#env.clock.setTimer(delayMs, () => {
      for (const carrier of this.#session.carriers) this.#watch(carrier);
      this.#noteAnswers();
      // By now the relay has given the session up (DESIGN §3.1, "home lost").
      if (this.unansweredMs > this.#retentionMs) this.#session.close('session-lost');
      if (!this.#session.closed && !this.#session.attached) this.#attach(() => !this.#session.attached);
      if (!this.#session.closed) this.#watchLater();
    });
  }

  #noteAnswers(): void {
    const isAnswered = this.#session.carriers.some((carrier) => carrier.usable && !carrier.suspect);
    if (isAnswered) this.#unansweredSinceMs = null;
    else this.#unansweredSinceMs ??= this.#env.clock.monotonicMs();
  }

  #watch(carrier: Carrier): void {
    const nowMs = this.#env.clock.monotonicMs();
    const patienceMs = Math.max(SUSPECT_MS, SUSPECT_ROUND_TRIPS * carrier.ledger.smoothedRttMs);
    const isSilent = carrier.silentMs(nowMs) >= patienceMs - LONGEST_WATCH_MS;
    if (!carrier.usable) {
      // It was let go in peace, but its last bytes do not get through.
      if (isSilent) this.#session.giveUp(carrier);
      return;
    }
    if (isSilent) {
      if (!carrier.suspect) {
        carrier.suspect = true;
        this.#options.events.onSuspect?.(carrier);
      }
      this.#attach(() => carrier.suspect && !carrier.lost);
      return;
    }
    this.#pingWhenSilent(carrier, nowMs);
    this.#checkRotation(carrier);
  }

  /** Asks a silent carrier for a sign of life: soon while streams are open, ever more rarely while nothing else happens. */
  #pingWhenSilent(carrier: Carrier, nowMs: number): void {
    if (carrier.ledger.outstanding) return;
    const inUse = this.#session.streamCount + this.#session.datagrams.flowCount > 0;
    const waitMs = inUse ? Math.min(MAX_PING_MS, FIRST_PING_MS * 2 ** carrier.idlePings) : MAX_PING_MS;
    if (nowMs - carrier.lastReceivedMs < waitMs * (0.6 + 0.4 * this.#env.random.fraction())) return;
    carrier.idlePings += 1;
    this.#session.ping(carrier);
  }

  #checkRotation(carrier: Carrier): void {
    if (!carrier.usable || this.#attaching || this.#leaving.has(carrier)) return;
    if (this.#limits.get(carrier)?.due(carrier, this.#env.clock.monotonicMs())) {
      this.#attach(() => carrier.usable);
    }
  }
}
