import { judgeTactics, judgingTimeMs, type KnownTimes, type TacticsValidity } from '@rozan/protocol';
import { CLOCK_TOLERANCE_MS } from '../limits.ts';

/** From when to when something is signed for, in ms since 1970. */
export interface Span {
  readonly issuedMs: number;
  readonly expiresMs: number;
}

/**
 * `valid`; `expired` by a time that was signed or that a relay has told; `unconfirmed` where this machine's clock alone says so, and may
 * be wrong.
 */
export type Validity = TacticsValidity;

/** What is known of this machine's clock: `unknown` where nothing contradicts it. */
export type ClockState = 'right' | 'behind' | 'ahead' | 'unknown';

/** How fresh something is, and what is to blame where it is not. */
export interface Freshness {
  readonly validity: Validity;
  readonly clock: ClockState;
  /**
   * `freeze`: what was signed later is held back, or nobody signs any more. `clock`: this machine's clock is wrong. `freeze-or-clock`: nobody has
   * told the time yet, so it may be either.
   */
  readonly cause: null | 'freeze' | 'clock' | 'freeze-or-clock';
}

/** What is signed for by several documents is so while all are in their time. */
export function commonSpan(spans: readonly Span[]): Span {
  return {
    issuedMs: Math.max(...spans.map(({ issuedMs }) => issuedMs)),
    expiresMs: Math.min(...spans.map(({ expiresMs }) => expiresMs)),
  };
}

/** Judges by max(time that a relay has told, latest time of issue seen), and by the system's clock only without both (DESIGN §4). */
export function judge(span: Span, times: KnownTimes): Freshness {
  const validity = judgeTactics(span, times);
  const clock = judgeClock(times);
  return { validity, clock, cause: causeOf(validity, clock) };
}

/** Whether something that is never forgiven for being out of its time is so. */
export function isOver({ issuedMs, expiresMs }: Span, times: KnownTimes): boolean {
  return judgingTimeMs({ ...times, issuedMs: Math.max(issuedMs, times.issuedMs ?? issuedMs) }) >= expiresMs;
}

function causeOf(validity: Validity, clock: ClockState): Freshness['cause'] {
  if (validity === 'valid') return null;
  if (validity === 'expired') return 'freeze';
  return clock === 'behind' || clock === 'ahead' ? 'clock' : 'freeze-or-clock';
}

function judgeClock({ attestedMs, issuedMs, systemMs }: KnownTimes): ClockState {
  if (attestedMs !== null) {
    if (systemMs < attestedMs - CLOCK_TOLERANCE_MS) return 'behind';
    return systemMs > attestedMs + CLOCK_TOLERANCE_MS ? 'ahead' : 'right';
  }
  // Nothing can have been issued later than now.
  return issuedMs !== null && systemMs < issuedMs - CLOCK_TOLERANCE_MS ? 'behind' : 'unknown';
}
