import type { CancelTimer, Env } from '@rozan/tunnel';
import { HEAD_START_MS, RACE_PACE, ROOM_WAIT_MS, UNANSWERED_MS, WIDEN_MS } from '../limits.ts';

/** What is tried, in this order; the later stages wait for the earlier ones. */
export interface Stages<Way> {
  /** What worked last: alone for a moment. */
  readonly remembered: readonly Way[];
  readonly sample: readonly Way[];
  /** Only when all of the others have failed. */
  readonly rest: readonly Way[];
}

/** How far a race has come. */
export interface RaceProgress {
  readonly trying: number;
  readonly failed: number;
}

/** How many candidates are in flight and how soon they follow each other, at first (narrow) and after `WIDEN_MS` (wide). */
export interface RacePace {
  readonly narrowWidth: number;
  readonly wideWidth: number;
  readonly narrowStaggerMs: number;
  readonly wideStaggerMs: number;
}

/** How a race is run. */
export interface CandidateRaceOptions<Way, T> {
  readonly stages: Stages<Way>;
  /** Must end soon after its signal aborts and leave nothing open then. */
  readonly attempt: (way: Way, signal: AbortSignal) => Promise<T>;
  /** Gets what a loser brought home after all. */
  readonly discard: (result: T) => void;
  /** Whether the way may be tried now; it is asked again when something has ended. */
  readonly hasRoom: (way: Way) => boolean;
  readonly pace?: RacePace | undefined;
  readonly signal: AbortSignal;
}

interface Running {
  readonly stage: number;
  readonly startedMs: number;
}

/**
 * Many attempts at once, of which the first that succeeds wins and the others are aborted (DESIGN §3.4). Few are in flight at first, more
 * after a while; they begin staggered, and one that fails makes way for the next at once.
 */
export class CandidateRace<Way, T> {
  readonly #env: Env;
  readonly #options: CandidateRaceOptions<Way, T>;
  readonly #queues: Way[][];
  readonly #running = new Set<Running>();
  readonly #losers = new AbortController();
  readonly #startMs: number;
  readonly #pace: RacePace;
  #openStages = 1;
  #nextStartMs: number;
  #failed = 0;
  #lastError: unknown = new Error('there is nothing to try');
  #isOver = false;
  #cancelTimer: CancelTimer = () => {};
  #settle: { resolve(result: T): void; reject(error: unknown): void } | null = null;

  constructor(env: Env, options: CandidateRaceOptions<Way, T>) {
    this.#env = env;
    this.#options = options;
    const { remembered, sample, rest } = options.stages;
    this.#queues = [[...remembered], [...sample], [...rest]];
    this.#pace = options.pace ?? RACE_PACE;
    this.#startMs = env.clock.monotonicMs();
    this.#nextStartMs = this.#startMs;
  }

  get progress(): RaceProgress {
    return { trying: this.#running.size, failed: this.#failed };
  }

  /** Runs it, once. Rejects with the last failure when all have failed, or with the signal's reason. */
  run(): Promise<T> {
    const { signal } = this.#options;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#finish(() => reject(signal.reason));
      const off = () => signal.removeEventListener('abort', onAbort);
      this.#settle = {
        resolve: (result) => this.#finish(() => resolve(result), off),
        reject: (error) => this.#finish(() => reject(error), off),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      if (signal.aborted) onAbort();
      else this.#pump();
    });
  }

  #finish(act: () => void, cleanUp: () => void = () => {}): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimer();
    cleanUp();
    act();
    if (this.#running.size > 0) this.#losers.abort();
  }

  /** Starts what may start now, and comes back when more may. */
  #pump(): void {
    this.#cancelTimer();
    while (!this.#isOver) {
      const nowMs = this.#env.clock.monotonicMs();
      this.#open(nowMs);
      const isFull = this.#running.size >= this.#width(nowMs);
      if (isFull || nowMs < this.#nextStartMs || !this.#startNext(nowMs)) break;
    }
    if (this.#isOver) return;
    if (this.#running.size === 0 && this.#queues.every(({ length }) => length === 0)) {
      this.#settle?.reject(this.#lastError);
      return;
    }
    this.#cancelTimer = this.#env.clock.setTimer(this.#waitMs(), () => this.#pump());
  }

  #width(nowMs: number): number {
    return nowMs - this.#startMs < WIDEN_MS ? this.#pace.narrowWidth : this.#pace.wideWidth;
  }

  /** Lets the next stage begin when those before it have had their chance. */
  #open(nowMs: number): void {
    if (this.#openStages === 1 && (nowMs - this.#startMs >= HEAD_START_MS || this.#isExhausted(0, nowMs))) {
      this.#openStages = 2;
    }
    if (this.#openStages === 2 && this.#isExhausted(0, nowMs) && this.#isExhausted(1, nowMs)) this.#openStages = 3;
  }

  /** Whether everything of a stage has failed, or been silent for so long that it may just as well have. */
  #isExhausted(stage: number, nowMs: number): boolean {
    if (this.#queues[stage]?.length !== 0) return false;
    return [...this.#running].every((other) => other.stage !== stage || nowMs - other.startedMs >= UNANSWERED_MS);
  }

  #startNext(nowMs: number): boolean {
    for (const [stage, queue] of this.#queues.slice(0, this.#openStages).entries()) {
      const index = queue.findIndex((way) => this.#options.hasRoom(way));
      const [way] = index < 0 ? [] : queue.splice(index, 1);
      if (way === undefined) continue;
      this.#start(way, { stage, startedMs: nowMs });
      const { narrowStaggerMs, wideStaggerMs } = this.#pace;
      const staggerMs = nowMs - this.#startMs < WIDEN_MS ? narrowStaggerMs : wideStaggerMs;
      this.#nextStartMs = nowMs + staggerMs * (0.5 + this.#env.random.fraction());
      return true;
    }
    return false;
  }

  #start(way: Way, running: Running): void {
    this.#running.add(running);
    this.#options.attempt(way, this.#losers.signal).then(
      (result) => {
        this.#running.delete(running);
        if (this.#isOver) this.#options.discard(result);
        else this.#settle?.resolve(result);
      },
      (error: unknown) => {
        this.#running.delete(running);
        if (this.#isOver) return;
        this.#failed += 1;
        this.#lastError = error;
        this.#nextStartMs = this.#env.clock.monotonicMs();
        this.#pump();
      },
    );
  }

  /** Until the earliest moment at which more may be possible without anything else happening. */
  #waitMs(): number {
    const nowMs = this.#env.clock.monotonicMs();
    const unanswered = [...this.#running].map(({ startedMs }) => startedMs + UNANSWERED_MS);
    const moments = [this.#nextStartMs, this.#startMs + HEAD_START_MS, this.#startMs + WIDEN_MS, ...unanswered];
    const later = moments.filter((ms) => ms > nowMs);
    // What is left waits for an end, or for room that others hold.
    return later.length > 0 ? Math.min(...later) - nowMs : ROOM_WAIT_MS;
  }
}
