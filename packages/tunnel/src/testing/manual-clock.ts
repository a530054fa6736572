import type { CancelTimer, Clock } from '../env.ts';

/** Turns of the event loop after which, with nothing left to do, all that can happen at one moment is taken to have happened. */
const QUIET_TURNS = 8;

/** Turns after which time goes on even though something is still busy: two parties may talk for ever without time passing. */
const MAX_TURNS = 1000;

interface Timer {
  readonly dueMs: number;
  readonly callback: () => void;
}

/**
 * A clock that stands still until the test moves it. Between two timers it lets microtasks, `process.nextTick`, `setImmediate` and
 * watched work (such as deliveries of a `MemoryNetwork`) run out, so that what a timer causes happens at that timer's time.
 */
export class ManualClock implements Clock {
  readonly #timers = new Set<Timer>();
  readonly #watched = new Set<() => boolean>();
  #nowMs = 0;
  #wallOffsetMs: number;

  /** `wallMs` is the wall time at the start. */
  constructor(wallMs: number = Date.UTC(2026, 0, 1)) {
    this.#wallOffsetMs = wallMs;
  }

  wallMs(): number {
    return this.#wallOffsetMs + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    const timer = { dueMs: this.#nowMs + Math.max(0, delayMs), callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** Timers that have neither fired nor been cancelled. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Moves the wall clock alone, as a person or a time server does. */
  setWallMs(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.#nowMs;
  }

  /** Has `settle` wait while `isBusy` says so. */
  watch(isBusy: () => boolean): void {
    this.#watched.add(isBusy);
  }

  /** Lets everything happen that can happen without time passing. */
  async settle(): Promise<void> {
    let quiet = 0;
    for (let turn = 0; quiet < QUIET_TURNS && turn < MAX_TURNS; turn++) {
      await new Promise<void>((resolve) => setImmediate(resolve));
      quiet = this.#isBusy() ? 0 : quiet + 1;
    }
  }

  /** Moves time forward by `durationMs` and fires what falls due, in order. */
  async advance(durationMs: number): Promise<void> {
    const endMs = this.#nowMs + durationMs;
    await this.settle();
    while (await this.#fireNext(endMs)) {}
    this.#nowMs = endMs;
    await this.settle();
  }

  /** Moves time from timer to timer until `promise` is settled, and gives its result; throws after `limitMs` of this clock's time. */
  async runUntil<T>(promise: Promise<T>, limitMs: number): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    const endMs = this.#nowMs + limitMs;
    await this.settle();
    while (!isSettled && (await this.#fireNext(endMs))) {}
    if (!isSettled) throw new Error(`not settled within ${limitMs} ms of the manual clock`);
    return promise;
  }

  async #fireNext(endMs: number): Promise<boolean> {
    const next = this.#nextTimer();
    if (next === undefined || next.dueMs > endMs) return false;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.callback();
    await this.settle();
    return true;
  }

  /** The earliest timer; of several due at once the one that was set first. */
  #nextTimer(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs) next = timer;
    }
    return next;
  }

  #isBusy(): boolean {
    for (const isBusy of this.#watched) if (isBusy()) return true;
    return false;
  }
}
