/** How a carrier came to an end that nobody of ours had wanted. */
export interface FoulEnd {
  /** When its handshake was done. */
  readonly bornMs: number;
  /** At this age it was still alive, */
  readonly ageMs: number;
  /** and at this one it was not: an idle carrier that falls silent is not noticed at once. */
  readonly deadAgeMs: number;
  /** Bytes that got through on it, both ways together. */
  readonly bytes: number;
}

/** What somebody in between seems to allow a carrier; null for what he does not look at. */
export interface FoundLimits {
  readonly ageMs: number | null;
  readonly bytes: number | null;
}

/** Ends within this time of each other have one cause: a network that went away, a censor's sweep. */
const ONE_EVENT_MS = 1500;
/** So many of the latest ends are looked at. */
const REMEMBERED = 4;
/** Ends are alike when they lie within this share of each other. Bytes are counted less exactly than time. */
const ALIKE = { ageMs: 0.15, bytes: 0.35 };
/** An age that lies between two values is known when they are as close as this share of the larger. */
const KNOWN = 0.4;
/** What is found lies below what was seen by this share, so that the next carrier goes before. */
const MARGIN = { ageMs: 0.05, bytes: 0.1 };
/** Ends before this age, or these bytes, say that the path is broken and not that it is limited; with less no carrier could be of use. */
const LEAST = { ageMs: 1000, bytes: 6000 };
/** Fewer bytes a millisecond are pings and little else: what dies idle does not die of its bytes, of which there are as many as it is old. */
const LEAST_RATE = 0.1;

type Measure = 'ageMs' | 'bytes';

/**
 * Learns from how carriers die whether somebody cuts or freezes them at an age, or after so many bytes: deaths that are all alike in one
 * measure and not in the other. Pure; times in milliseconds of a monotonic clock.
 */
export class LimitFinder {
  #ends: FoulEnd[] = [];
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #found: FoundLimits = { ageMs: null, bytes: null };
  #told: FoundLimits = { ageMs: null, bytes: null };

  /** What has been found so far. */
  get found(): FoundLimits {
    return this.#found;
  }

  /** Takes over what others say they have found here, in place of what they said before; what was seen here counts for more. */
  suggest(told: FoundLimits): void {
    const either = (measure: Measure) => {
      const [found, before] = [this.#found[measure], this.#told[measure]];
      const isNews = told[measure] !== before;
      return isNews && (found === null || found === before) ? told[measure] : found;
    };
    this.#found = { ageMs: either('ageMs'), bytes: either('bytes') };
    this.#told = told;
  }

  /** Notes an end; returns whether that changed what is found. */
  note(end: FoulEnd, nowMs: number): boolean {
    // A carrier that was there when the last one died may have died of the same.
    const isSameEvent = nowMs - this.#lastAtMs < ONE_EVENT_MS && end.bornMs < this.#lastAtMs;
    this.#lastAtMs = nowMs;
    if (isSameEvent) return false;
    this.#ends = [...this.#ends, end].slice(-REMEMBERED);
    const best = this.#judge();
    if (best === null) return false;
    const { measure, limit } = best;
    const before = this.#found[measure];
    if (before !== null && limit >= before) return false;
    this.#found = { ...this.#found, [measure]: limit };
    // What was seen under the old limit says nothing about the next.
    this.#ends = [];
    return true;
  }

  /** Forgets a limit that is no more. */
  forget(measure: Measure): void {
    this.#found = { ...this.#found, [measure]: null };
    this.#ends = [];
  }

  /** The measure in which three of the last four ends are most alike, and the limit that they speak for. */
  #judge(): { measure: Measure; limit: number } | null {
    const judgements = triples(this.#ends.slice(-4)).flatMap(({ ends, later }) => [
      judgeAge(ends, later),
      judgeBytes(ends, later),
    ]);
    let best: Judgement | null = null;
    for (const judgement of judgements) {
      const isSound = judgement.unlikeness <= 1 && judgement.limit >= LEAST[judgement.measure];
      if (isSound && (best === null || judgement.unlikeness < best.unlikeness)) best = judgement;
    }
    return best;
  }
}

interface Judgement {
  readonly measure: Measure;
  readonly limit: number;
  /** At most 1 for ends that are alike. */
  readonly unlikeness: number;
}

/** An age lies between the highest at which one was alive and the least at which one was dead. */
function judgeAge(ends: readonly FoulEnd[], later: FoulEnd | null): Judgement {
  const alive = Math.max(...ends.map(({ ageMs }) => ageMs));
  const dead = Math.min(...ends.map(({ deadAgeMs }) => deadAgeMs));
  const isRefuted = later !== null && later.ageMs > (1 + ALIKE.ageMs) * Math.max(alive, dead);
  const unlikeness = alive > dead ? (alive / dead - 1) / ALIKE.ageMs : (1 - alive / dead) / KNOWN;
  if (isRefuted) return { measure: 'ageMs', limit: 0, unlikeness: Number.POSITIVE_INFINITY };
  return { measure: 'ageMs', limit: (1 - MARGIN.ageMs) * Math.min(alive, dead), unlikeness };
}

function judgeBytes(ends: readonly FoulEnd[], later: FoulEnd | null): Judgement {
  const counts = ends.map(({ bytes }) => bytes);
  const least = Math.min(...counts);
  const most = Math.max(...counts);
  const isIdle = ends.some(({ ageMs, bytes }) => bytes < LEAST_RATE * ageMs);
  const isRefuted = later !== null && later.bytes > (1 + ALIKE.bytes) * most;
  const unlikeness = (most / Math.max(1, least) - 1) / ALIKE.bytes;
  if (isIdle || isRefuted) return { measure: 'bytes', limit: 0, unlikeness: Number.POSITIVE_INFINITY };
  return { measure: 'bytes', limit: (1 - MARGIN.bytes) * least, unlikeness };
}

/**
 * All ways to leave one of four out; three as they are, fewer not at all. `later`: the one that is left out, unless it is the oldest. Of an
 * older one nobody may have cut yet, but a later one that has gone far beyond the others was not cut where they were.
 */
function triples<T>(values: readonly T[]): { readonly ends: readonly T[]; readonly later: T | null }[] {
  if (values.length === 3) return [{ ends: values, later: null }];
  if (values.length < 4) return [];
  return values.map((value, left) => ({
    ends: values.filter((_value, index) => index !== left),
    later: left === 0 ? null : value,
  }));
}
