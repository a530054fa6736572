/** What a client knows of the time, in ms since 1970. */
export interface KnownTimes {
  /** By relays, in an authentic answer; null if none has answered yet. */
  readonly attestedMs: number | null;
  /** The latest time of issue in a document with a good signature; null if there is none. */
  readonly issuedMs: number | null;
  /** By this machine's clock, which may be wrong. */
  readonly systemMs: number;
}

/**
 * Whether a document is in its time. `unconfirmed`: by what is signed it is, by this machine's clock it is not, and no relay has told the time
 * yet: either the clock is wrong or the document is old.
 */
export type TacticsValidity = 'valid' | 'expired' | 'unconfirmed';

/** The time by which expiry is judged (DESIGN §4): a clock that somebody has set makes nothing expire. */
export function judgingTimeMs({ attestedMs, issuedMs, systemMs }: KnownTimes): number {
  if (attestedMs === null && issuedMs === null) return systemMs;
  return Math.max(attestedMs ?? Number.NEGATIVE_INFINITY, issuedMs ?? Number.NEGATIVE_INFINITY);
}

/** Where a document with a good signature stands. */
export function judgeTactics(
  tactics: { readonly issuedMs: number; readonly expiresMs: number },
  times: KnownTimes,
): TacticsValidity {
  // Its own signature says that it has been issued.
  const issuedMs = Math.max(tactics.issuedMs, times.issuedMs ?? tactics.issuedMs);
  if (judgingTimeMs({ ...times, issuedMs }) >= tactics.expiresMs) return 'expired';
  const isInSystemTime = times.systemMs >= tactics.issuedMs && times.systemMs < tactics.expiresMs;
  return times.attestedMs !== null || isInSystemTime ? 'valid' : 'unconfirmed';
}
