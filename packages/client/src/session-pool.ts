import { encodeTarget } from '@rozan/protocol';
import {
  type CancelTimer,
  type CarrierPlan,
  type DatagramFlow,
  type Env,
  type FlowListener,
  type StreamOpener,
  StreamResetError,
  type Target,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';
import { Establisher, type EstablisherOptions } from './establish/establisher.ts';
import type { RelayDialer } from './establish/relay-dialer.ts';
import { HOME_LOST_MS, LIVE_GRACE_MS, OPEN_WAIT_MS, POOL_TICK_MS } from './limits.ts';
import { PoolFlow } from './pool-flow.ts';
import { RecentFailures } from './recent-failures.ts';
import { RelaySession } from './relay-session.ts';

/** How the pool is set up. */
export interface SessionPoolOptions extends Omit<EstablisherOptions, 'createSession'> {
  /** How many carriers a new session with a relay has, and for how long each. */
  readonly planFor: (dialer: RelayDialer) => CarrierPlan;
  /** Whether it begins without a session, until it is resumed. */
  readonly isPaused?: boolean | undefined;
}

/**
 * Keeps a session for new streams: most of the time one, a second through another relay when the first has lost its home or is asked to
 * drain, and the older ones for as long as they have streams. Never gives up.
 */
export class SessionPool implements StreamOpener, AsyncDisposable {
  readonly #env: Env;
  readonly #options: SessionPoolOptions;
  readonly #establisher: Establisher;
  /** The newest is the one for new streams. */
  #sessions: RelaySession[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #flows = new Set<PoolFlow>();
  readonly #failures: RecentFailures;
  readonly #over = new AbortController();
  #connecting = false;
  #isPaused = false;
  #needless = new AbortController();
  #cancelTick: CancelTimer = () => {};

  constructor(env: Env, options: SessionPoolOptions) {
    this.#env = env;
    this.#options = options;
    this.#failures = new RecentFailures(env.clock);
    this.#establisher = new Establisher(env, {
      ...options,
      createSession: (dialer, first) =>
        new RelaySession(env, {
          dialer,
          first,
          plan: options.planFor(dialer),
          suspectMs: options.tactics?.().silenceMs,
          others: () => this.#forwardersFor(dialer),
          events: { onLive: () => this.#onLive(), onClosed: (closed) => this.#onClosed(closed) },
        }),
    });
    this.#isPaused = options.isPaused ?? false;
    if (!this.#isPaused) this.#connect();
    this.#tickLater();
  }

  /** Whether the person has switched it off. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Ends all sessions and makes no others; streams are refused with `session-lost` until it is resumed. */
  pause(): void {
    this.#isPaused = true;
    this.#needless.abort(new TunnelError('session-closed', 'switched off'));
    for (const { client } of [...this.#sessions]) client.close('cancelled');
    this.#wakeAll();
  }

  resume(): void {
    this.#isPaused = false;
    this.#connect();
  }

  /** New streams get a session of another relay as soon as there is one; what runs goes on where it is. */
  leave(isUnwanted: (dialer: RelayDialer) => boolean): void {
    for (const session of this.#sessions) {
      if (isUnwanted(session.dialer)) session.draining = true;
    }
    if (this.#isNeeded()) this.#connect();
  }

  /** Sessions that are not over. */
  get sessions(): readonly RelaySession[] {
    return this.#sessions;
  }

  isLive(): boolean {
    return this.#live() !== null;
  }

  #live(): RelaySession | null {
    const live = this.#sessions.filter(({ client }) => client.unansweredMs < LIVE_GRACE_MS);
    const staying = live.filter(({ draining }) => !draining);
    return staying.findLast(({ rerouted }) => !rerouted) ?? staying.at(-1) ?? live.at(-1) ?? null;
  }

  async open(target: Target, options: { readonly signal?: AbortSignal } = {}): Promise<TunnelStream> {
    const code = this.#failures.find(target);
    if (code !== null) throw new StreamResetError(code);
    const session = this.#live() ?? (await this.#waitLive(options.signal));
    const stream = session.client.session.openStream(encodeTarget(target));
    stream.opened.catch((error: unknown) => {
      if (error instanceof StreamResetError) this.#failures.add(target, error.resetCode);
    });
    return stream;
  }

  openFlow(onDatagram: FlowListener): DatagramFlow {
    const flow = new PoolFlow({
      nowMs: () => this.#env.clock.monotonicMs(),
      pick: () => this.#live(),
      onDatagram,
      onClose: (closed) => this.#flows.delete(closed),
    });
    this.#flows.add(flow);
    return flow;
  }

  /** Resolves when a session is live. Rejects with the signal's reason. */
  async ready(signal: AbortSignal): Promise<void> {
    while (this.#live() === null) await this.#changed(signal);
  }

  async #waitLive(signal: AbortSignal | undefined): Promise<RelaySession> {
    const patience = new AbortController();
    const cancel = this.#env.clock.setTimer(OPEN_WAIT_MS, () => patience.abort(new StreamResetError('session-lost')));
    const any = AbortSignal.any([patience.signal, this.#over.signal, ...(signal === undefined ? [] : [signal])]);
    try {
      for (;;) {
        const session = this.#live();
        if (session !== null) return session;
        if (this.#isPaused) throw new StreamResetError('session-lost');
        await this.#changed(any);
      }
    } finally {
      cancel();
    }
  }

  /** Resolves when a session became live or ended. */
  #changed(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.delete(wake);
        reject(signal.reason);
      };
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', onAbort);
        resolve();
      };
      if (signal.aborted) onAbort();
      else {
        this.#waiting.add(wake);
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
  }

  #wakeAll(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  // --- sessions -------------------------------------------------------------------------------------------------------------------

  /** Whether new streams need another session than those that are there. */
  #isNeeded(): boolean {
    if (this.#isPaused) return false;
    return !this.#sessions.some(
      ({ client, draining, rerouted }) => client.unansweredMs < HOME_LOST_MS && !draining && !rerouted,
    );
  }

  /** Relays that may forward to the home of a session: those in use, then those that this client keeps to. */
  async #forwardersFor(home: RelayDialer): Promise<readonly RelayDialer[]> {
    const { dialers, memory } = this.#options;
    const sample = await memory.sample(dialers.map(({ entry }) => entry.tag));
    const inUse = this.#sessions
      .filter(({ client, rerouted }) => client.unansweredMs < HOME_LOST_MS && !rerouted)
      .map(({ dialer }) => dialer);
    const known = new Set([...inUse, ...dialers.filter(({ entry }) => sample.has(entry.tag))]);
    return [...known].filter(({ entry }) => entry.relay !== home.entry.relay);
  }

  #connect(): void {
    if (this.#connecting || this.#over.signal.aborted) return;
    this.#connecting = true;
    this.#connectLoop()
      .catch(() => {})
      .finally(() => {
        this.#connecting = false;
        // It may have been switched off and on again in between.
        if (this.#isNeeded()) this.#connect();
      });
  }

  async #connectLoop(): Promise<void> {
    while (this.#isNeeded()) await this.#openSession();
  }

  /** Ends attempts at a session that nobody needs any more: the one that was lost is back. */
  #stopIfNeedless(): void {
    if (this.#connecting && !this.#isNeeded()) this.#needless.abort(new TunnelError('session-closed', 'not needed'));
  }

  async #openSession(): Promise<void> {
    this.#needless = new AbortController();
    const signal = AbortSignal.any([this.#over.signal, this.#needless.signal]);
    // Relays without one of our sessions come first.
    const avoid = new Set(this.#sessions.map(({ dialer }) => dialer));
    const session = await this.#establisher.run({ avoid, signal });
    if (signal.aborted) {
      session.client.close('cancelled');
      return;
    }
    session.admit();
    if (session.client.session.closed) return;
    this.#sessions.push(session);
    this.#wakeAll();
  }

  #onLive(): void {
    this.#stopIfNeedless();
    this.#wakeAll();
  }

  #onClosed(session: RelaySession): void {
    this.#sessions = this.#sessions.filter((other) => other !== session);
    this.#wakeAll();
    if (this.#isNeeded()) this.#connect();
  }

  #tickLater(): void {
    this.#cancelTick = this.#env.clock.setTimer(POOL_TICK_MS, () => {
      if (this.#isNeeded()) this.#connect();
      else this.#stopIfNeedless();
      // A relay that was silent may have spoken up again.
      if (this.isLive()) this.#wakeAll();
      for (const flow of this.#flows) flow.rest(this.#env.clock.monotonicMs());
      const current = this.#live();
      for (const session of this.#sessions) {
        const { streamCount, datagrams } = session.client.session;
        const idle = streamCount + datagrams.flowCount === 0;
        if (current !== null && session !== current && idle) session.client.close('cancelled');
      }
      this.#tickLater();
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new TunnelError('session-closed', 'the client stops'));
    this.#cancelTick();
    for (const { client } of this.#sessions) client.close('cancelled');
  }
}
