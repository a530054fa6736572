import { backoffMs, type CancelTimer, type Env, TunnelError } from '@rozan/tunnel';
import type { TransportAddress } from '../data-folder/relay-config.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';
import type { ToSupervisor, ToWorker, WorkerReport, WorkerSetup } from './messages.ts';
import { PendingAnswers } from './pending-answers.ts';
import type { StartWorker, WorkerProcess } from './worker-process.ts';

/** What a slot tells the supervisor. */
export interface WorkerSlotEvents {
  /** Something other than what the slot itself deals with. */
  onMessage(slot: WorkerSlot, message: ToSupervisor): void;
  /** Its process has died, and its sessions with it; another one follows. */
  onLost(slot: WorkerSlot): void;
  /** Another process serves in its place. */
  onBack(slot: WorkerSlot): void;
}

/** What a slot needs. */
export interface WorkerSlotOptions {
  /** From 1. */
  readonly number: number;
  readonly socketPath: string;
  readonly start: StartWorker;
  readonly events: WorkerSlotEvents;
  /** The setup of a process that starts now. */
  readonly setup: (socketPath: string) => WorkerSetup;
}

/** A place for a worker: one process after another, should they die. */
export class WorkerSlot {
  readonly number: number;
  readonly socketPath: string;
  readonly #env: Env;
  readonly #options: WorkerSlotOptions;
  readonly #reports: PendingAnswers<WorkerReport>;
  readonly #loaded = Promise.withResolvers<void>();
  readonly #first = Promise.withResolvers<readonly TransportAddress[]>();
  readonly #gone = Promise.withResolvers<void>();
  #process: WorkerProcess | null = null;
  #report: WorkerReport | null = null;
  #isServing = false;
  #isReady = false;
  #wasReady = false;
  #isStopping = false;
  #startedMs = 0;
  #deaths = 0;
  #cancelRestart: CancelTimer = () => {};

  constructor(env: Env, options: WorkerSlotOptions) {
    this.number = options.number;
    this.socketPath = options.socketPath;
    this.#env = env;
    this.#options = options;
    this.#reports = new PendingAnswers(env.clock, WORKER_BOUNDS.reportMs);
    // Whoever waits for them hears of it; nobody may.
    for (const { promise } of [this.#loaded, this.#first]) promise.catch(() => {});
  }

  /** Whether its process serves. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** The last report of the process that runs now. */
  get lastReport(): WorkerReport | null {
    return this.#report;
  }

  /** Starts its first process; resolves when that has come up, and does not serve yet. Rejects with a `TunnelError` when it ends. */
  load(): Promise<void> {
    this.#start();
    return this.#loaded.promise;
  }

  /** Has the first process serve. Rejects with a `TunnelError` when it cannot. */
  serve(): Promise<readonly TransportAddress[]> {
    this.#isServing = true;
    this.#sendSetup();
    return this.#first.promise;
  }

  send(message: ToWorker): void {
    this.#process?.send(message);
  }

  /** The numbers of now; the last ones when the process does not tell in time, null when there never were any. */
  async report(): Promise<WorkerReport | null> {
    if (!this.#isReady) return this.#report;
    try {
      this.#report = await this.#reports.ask((number) => this.send({ kind: 'report', number }));
    } catch {
      // The last report stands.
    }
    return this.#report;
  }

  /** Has its process end, and kills it when that takes too long. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#cancelRestart();
    if (this.#process === null) return;
    const cancelKill = this.#env.clock.setTimer(WORKER_BOUNDS.stopMs, () => this.#process?.kill());
    this.send({ kind: 'stop' });
    await this.#gone.promise;
    cancelKill();
  }

  #start(): void {
    this.#startedMs = this.#env.clock.monotonicMs();
    this.#process = this.#options.start({
      onMessage: (message) => this.#receive(message),
      onExit: () => this.#onExit(),
    });
  }

  #sendSetup(): void {
    this.send({ kind: 'start', setup: this.#options.setup(this.socketPath) });
  }

  #receive(message: ToSupervisor): void {
    switch (message.kind) {
      case 'hello':
        this.#loaded.resolve();
        if (this.#isServing) this.#sendSetup();
        return;
      case 'ready':
        this.#isReady = true;
        if (this.#wasReady) this.#options.events.onBack(this);
        this.#wasReady = true;
        this.#first.resolve(message.listen);
        return;
      case 'failed':
        this.#first.reject(new TunnelError('failed', message.message));
        return;
      case 'report':
        this.#reports.answer(message.number, message.report);
        return;
      default:
        this.#options.events.onMessage(this, message);
    }
  }

  #onExit(): void {
    this.#process = null;
    const wasReady = this.#isReady;
    this.#isReady = false;
    const early = new TunnelError('failed', 'a worker ended before it served');
    this.#loaded.reject(early);
    this.#first.reject(early);
    if (this.#isStopping || !this.#wasReady) {
      this.#gone.resolve();
      return;
    }
    if (wasReady) this.#options.events.onLost(this);
    this.#report = null;
    this.#reports.giveUp();
    const { clock, random } = this.#env;
    const isSettled = clock.monotonicMs() - this.#startedMs >= WORKER_BOUNDS.settledMs;
    this.#deaths = isSettled ? 1 : this.#deaths + 1;
    const { firstRestartMs: minMs, longestRestartMs: maxMs } = WORKER_BOUNDS;
    const delayMs = backoffMs(this.#deaths, { minMs, maxMs, fraction: random.fraction() });
    this.#cancelRestart = clock.setTimer(delayMs, () => this.#start());
  }
}
