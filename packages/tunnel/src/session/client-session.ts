import { type ClientAttach, LookupCounter, type ResetCode } from '@rozan/protocol';
import type { CancelTimer, Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import {
  ATTACH_BACKOFF_MAX_MS,
  ATTACH_BACKOFF_MIN_MS,
  FIRST_PING_MS,
  MAX_PING_MS,
  SLOW_HANDSHAKE_MS,
  SLOW_SUSPECT_MS,
  SPARE_ATTACH_MS,
  SPARE_BACKOFF_MAX_MS,
  SUSPECT_MS,
  SUSPECT_ROUND_TRIPS,
  WATCH_MS,
} from '../limits.ts';
import type { Conn } from '../network.ts';
import { backoffMs, sleep } from './backoff.ts';
import type { Carrier, CarrierLossCause } from './carrier.ts';
import { CarrierKeeper } from './carrier-keeper.ts';
import type { AttachedCarrier } from './client-handshake.ts';
import { DrainedConns } from './drained-conns.ts';
import { type CarrierPlan, FOUL_ENDS } from './plan/carrier-plan.ts';
import { SilencePatience } from './plan/silence-patience.ts';
import { Session } from './session.ts';

/** The longest time between two looks at the carriers. */
const LONGEST_WATCH_MS = 1.5 * WATCH_MS;

/** Something came on another carrier within this time: it lives. */
const OUTLIVED_MS = 2500;

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
  /** What was learnt about carriers on this network has changed. */
  onPlanChanged?(plan: CarrierPlan): void;
  onDrain?(): void;
  onClosed?(code: ResetCode): void;
}

/** How a client session is set up. */
export interface ClientSessionOptions {
  readonly dial: DialCarrier;
  /** How many carriers there are, and for how long each. */
  readonly plan: CarrierPlan;
  /** After this silence a carrier is suspect at the earliest, in ms; `SUSPECT_MS` unless said. */
  readonly suspectMs?: number | undefined;
  readonly events: ClientSessionEvents;
}

/** A session from the client's side: it keeps carriers under the session, whatever happens to them. */
export class ClientSession {
  readonly #env: Env;
  readonly #options: ClientSessionOptions;
  readonly #session: Session;
  readonly #secret: Buffer;
  readonly #counter = new LookupCounter();
  readonly #keeper: CarrierKeeper;
  readonly #silence: SilencePatience;
  readonly #attached = new WeakMap<Carrier, AttachedCarrier>();
  /** Connections on which bytes were changed: they stay open, so that nobody sees that it was noticed. */
  readonly #drained = new DrainedConns();
  readonly #over = new AbortController();
  readonly #retentionMs: number;
  #nextCarrierId = 1;
  /** Carriers that are being attached. */
  #attaching = 0;
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
        onProgress: (carrier) => this.#check(carrier),
      },
    });
    this.#silence = new SilencePatience(env.clock, options.suspectMs);
    this.#keeper = new CarrierKeeper(env, {
      session: this.#session,
      plan: options.plan,
      onPlanChanged: (plan) => options.events.onPlanChanged?.(plan),
    });
    this.#keeper.keepWidth();
    this.#add(first, false);
    this.#fill();
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

  /** Attaches one carrier by another way; it takes the place of the oldest once it is there. Whether that has worked. */
  async attachBeside(dial: DialCarrier): Promise<boolean> {
    return !this.#session.closed && (await this.#tryAttach(dial)) && !this.#session.closed;
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
    this.#attached.set(carrier, attached);
    if (carrier.lost) return;
    this.#detachedSinceMs = null;
    this.#noteAnswers();
    this.#options.events.onAttached?.(carrier, resumed);
    this.#keeper.add(carrier, attached.isSpared);
  }

  #onCarrierLost(carrier: Carrier, cause: CarrierLossCause): void {
    this.#fruitless = carrier.receivedRecords > 0 ? 0 : this.#fruitless + 1;
    this.#options.events.onCarrierLost?.(carrier, cause);
    // Where others live and this one did not, it was not the network that was silent.
    if (cause === 'stalled' && this.#isOutlived(carrier)) this.#silence.noteStall();
    if (FOUL_ENDS.has(cause)) this.#attached.get(carrier)?.onFoulEnd?.();
    this.#keeper.noteLost(carrier, cause);
    this.#noteAnswers();
    if (this.#session.closed) return;
    if (!this.#session.attached && this.#detachedSinceMs === null) {
      this.#detachedSinceMs = this.#env.clock.monotonicMs();
      this.#options.events.onDetached?.();
    }
    this.#fill();
  }

  #nextAttach(confirm: Map<number, number>): ClientAttach {
    const counter = this.#counter.take();
    const carrierId = this.#nextCarrierId;
    this.#nextCarrierId += 1;
    confirm.set(carrierId, counter);
    return { kind: 'resume', sessionSecret: this.#secret, counter, carrierId };
  }

  /** Attaches as many carriers as are missing. */
  #fill(): void {
    while (!this.#session.closed && this.#attaching < this.#keeper.missing) {
      this.#attaching += 1;
      this.#attach()
        .catch(() => {})
        .finally(() => {
          this.#attaching -= 1;
          this.#fill();
        });
    }
  }

  /** Attaches one carrier, trying for as long as it is missing. */
  async #attach(): Promise<void> {
    const isMissing = () => !this.#session.closed && this.#attaching <= this.#keeper.missing;
    const isSpare = this.#attaching > 1;
    // Connections that begin at one moment would be a mark.
    if (isSpare) await sleep(this.#env, this.#env.random.fraction() * SPARE_ATTACH_MS, this.#over.signal);
    for (let failures = this.#fruitless; isMissing(); failures += 1) {
      if (failures > 0) await sleep(this.#env, this.#waitMs(failures), this.#over.signal);
      if (isMissing() && (await this.#tryAttach())) return;
    }
  }

  #waitMs(failures: number): number {
    return backoffMs(failures, {
      minMs: ATTACH_BACKOFF_MIN_MS,
      maxMs: this.#keeper.lasting.length > 0 ? SPARE_BACKOFF_MAX_MS : ATTACH_BACKOFF_MAX_MS,
      fraction: this.#env.random.fraction(),
    });
  }

  async #tryAttach(dial: DialCarrier = this.#options.dial): Promise<boolean> {
    const counters = new Map<number, number>();
    try {
      const attached = await dial(() => this.#nextAttach(counters), this.#over.signal);
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
      this.#keeper.noteTraffic();
      this.#noteAnswers();
      // By now the relay has given the session up (DESIGN §3.1, "home lost").
      if (this.unansweredMs > this.#retentionMs) this.#session.close('session-lost');
      this.#fill();
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
    const { smoothedRttMs } = carrier.ledger;
    // After a line has become slow, the smoothed round trip may be the queue of many seconds that was on its way then.
    const waitMs = Math.min(SUSPECT_ROUND_TRIPS * smoothedRttMs, SLOW_SUSPECT_MS + 2 * smoothedRttMs);
    const handshakeMs = this.#attached.get(carrier)?.link.roundTripMs ?? 0;
    const { suspectMs } = this.#silence;
    const isSlow = handshakeMs >= SLOW_HANDSHAKE_MS;
    const slowMs = isSlow ? Math.min(SLOW_SUSPECT_MS, (SLOW_SUSPECT_MS / SUSPECT_MS) * suspectMs) : 0;
    const patienceMs = Math.max(suspectMs, slowMs, waitMs);
    const isSilent = carrier.silentMs(nowMs) >= patienceMs - LONGEST_WATCH_MS;
    this.#check(carrier);
    if (!carrier.usable) {
      // It was let go in peace, but its last bytes do not get through.
      if (isSilent) this.#session.giveUp(carrier);
      return;
    }
    if (isSilent) {
      if (!carrier.suspect) {
        carrier.suspect = true;
        this.#options.events.onSuspect?.(carrier);
        this.#attached.get(carrier)?.onSuspect?.(carrier.bytesSent + carrier.bytesReceived);
        // If it is the acknowledgements that were lost, this brings them again.
        this.#session.ping(carrier);
        this.#session.wake();
      }
      // Another is there already, and lives: the relay, too, has to know that this one does not.
      if (this.#isOutlived(carrier)) this.#session.giveUp(carrier);
      this.#fill();
      return;
    }
    this.#pingWhenSilent(carrier, nowMs);
  }

  #isOutlived(suspect: Carrier): boolean {
    const sinceMs = this.#env.clock.monotonicMs() - OUTLIVED_MS;
    return this.#session.carriers.some(
      ({ usable, suspect: isSuspect, lastReceivedMs }) =>
        usable && !isSuspect && lastReceivedMs > Math.max(sinceMs, suspect.lastReceivedMs),
    );
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

  #check(carrier: Carrier): void {
    if (this.#keeper.check(carrier)) this.#fill();
  }
}
