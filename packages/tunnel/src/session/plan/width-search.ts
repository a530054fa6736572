/** Traffic is looked at in steps of about this time. */
const STEP_MS = 1000;
/** A step with less than this is idle. */
const BUSY_BYTES_PER_MS = 8;
/** So many busy steps in a row, none twice as fast as another, say what the carriers together can do. */
const STEPS = 4;
const STEADY = 2;
/** After a change so many steps do not count. */
const SETTLING_STEPS = 2;
/** Twice as many carriers have to bring so much more, or they are let go again. */
const GAIN = 1.4;
/** Half as many carriers may do if they bring so much of what all did. */
const ENOUGH = 0.9;
/** After a change for nothing the next waits so long, twice as long each time. */
const FIRST_REST_MS = 60_000;
const LONGEST_REST_MS = 3_600_000;
/** After a trial in which there was not enough to carry. */
const SHORT_REST_MS = 5000;
/** With more carriers than one, fewer are tried so often. */
const NARROW_AFTER_MS = 600_000;
/** Nothing much has happened for so long: one carrier does, until it is busy again. */
const IDLE_MS = 120_000;

interface Trial {
  readonly from: number;
  readonly baseRate: number;
}

/**
 * Finds out how many carriers at once carry most, by trying: where each is held back by itself, twice as many carry twice as much; elsewhere
 * they bring nothing and are let go. Pure; times in milliseconds of a monotonic clock.
 */
export class WidthSearch {
  readonly #most: number;
  #width = 1;
  /** What was of use when there was last something to carry. */
  #useful = 1;
  #trial: Trial | null = null;
  #rates: number[] = [];
  #skip = 0;
  #restMs = FIRST_REST_MS;
  #restUntilMs = 0;
  #narrowAtMs = Number.POSITIVE_INFINITY;
  #busyAtMs = 0;
  #step: { readonly atMs: number; readonly bytes: number } | null = null;

  /** `useful`: how many are said to be of use where there is much to carry; whether fewer do is found out later. */
  constructor(most: number, useful = 1) {
    this.#most = most;
    this.#useful = Math.min(most, useful);
  }

  get width(): number {
    return this.#width;
  }

  /** Takes over that so many are of use here where there is much to carry. */
  expect(useful: number): void {
    this.#useful = Math.max(this.#useful, Math.min(this.#most, useful));
  }

  /** Notes all bytes that have got through so far; returns whether the width is another now. */
  note(bytes: number, nowMs: number): boolean {
    const step = this.#step;
    if (step === null) {
      this.#step = { atMs: nowMs, bytes };
      if (this.#useful > 1) this.#narrowAtMs = nowMs + NARROW_AFTER_MS;
    }
    if (step === null || nowMs - step.atMs < STEP_MS) return false;
    this.#step = { atMs: nowMs, bytes };
    const before = this.#width;
    this.#judgeStep((bytes - step.bytes) / (nowMs - step.atMs), nowMs);
    return this.#width !== before;
  }

  #judgeStep(rate: number, nowMs: number): void {
    if (rate < BUSY_BYTES_PER_MS) {
      this.#onIdle(nowMs);
      return;
    }
    this.#busyAtMs = nowMs;
    if (this.#skip > 0) {
      this.#skip -= 1;
      return;
    }
    this.#rates = [...this.#rates, rate].slice(-STEPS);
    if (this.#trial === null && this.#width < this.#useful) this.#setWidth(this.#useful);
    else if (this.#rates.length === STEPS) this.#judge(nowMs);
  }

  #onIdle(nowMs: number): void {
    this.#rates = [];
    if (this.#trial !== null) {
      const { from } = this.#trial;
      this.#trial = null;
      this.#restUntilMs = nowMs + SHORT_REST_MS;
      this.#setWidth(from);
    }
    if (nowMs - this.#busyAtMs >= IDLE_MS) this.#setWidth(1);
  }

  #judge(nowMs: number): void {
    const rate = this.#rates.reduce((sum, each) => sum + each, 0) / STEPS;
    const trial = this.#trial;
    if (trial === null) {
      this.#maybeTry(rate, nowMs);
      return;
    }
    const isWorth = this.#width > trial.from ? rate >= GAIN * trial.baseRate : rate >= ENOUGH * trial.baseRate;
    if (!isWorth) {
      this.#endTrial(trial.from, nowMs);
      return;
    }
    this.#trial = null;
    this.#useful = this.#width;
    this.#restMs = FIRST_REST_MS;
    this.#narrowAtMs = nowMs + NARROW_AFTER_MS;
    this.#rates = [];
  }

  #maybeTry(rate: number, nowMs: number): void {
    if (nowMs < this.#restUntilMs || Math.max(...this.#rates) > STEADY * Math.min(...this.#rates)) return;
    const isNarrowing = nowMs >= this.#narrowAtMs && this.#width > 1;
    const width = isNarrowing ? this.#width >> 1 : Math.min(this.#most, 2 * this.#width);
    if (isNarrowing) this.#narrowAtMs = nowMs + NARROW_AFTER_MS;
    if (width === this.#width) return;
    this.#trial = { from: this.#width, baseRate: rate };
    this.#setWidth(width);
  }

  #endTrial(width: number, nowMs: number): void {
    this.#trial = null;
    this.#restUntilMs = nowMs + this.#restMs;
    this.#restMs = Math.min(LONGEST_REST_MS, 2 * this.#restMs);
    this.#setWidth(width);
  }

  #setWidth(width: number): void {
    if (width === this.#width) return;
    this.#width = width;
    this.#rates = [];
    this.#skip = SETTLING_STEPS;
  }
}
