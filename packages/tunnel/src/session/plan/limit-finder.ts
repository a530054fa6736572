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
/** So many ends that are alike, of one more, make a limit; each time that one was refuted one more, up to so many. */
const LEAST_ALIKE = 3;
const MOST_ALIKE = 6;
/** So many canaries in a row have to die at a limit before it counts as proven, or to outlive it before it counts as refuted. */
const CANARIES = 2;
/** Ends are alike when they lie within this share of each other. Bytes are counted less exactly than time. */
const ALIKE = { ageMs: 0.15, bytes: 0.35 };
/** An age that lies between two values is known when they are as close as this share of the larger. */
const KNOWN = 0.4;
/** What is found lies below what was seen by this share, so that the next carrier goes before. */
const MARGIN = { ageMs: 0.05, bytes: 0.1 };
/** Ends before this age, or these bytes, say that the path is broken and not that it is limited; with less no carrier could be of use. */
const LEAST = { ageMs: 1000, bytes: 5000 };
/** Who lets more through than this by a carrier need not be reckoned with. */
const MOST_LIMIT_BYTES = 4_000_000;
/** A limit of bytes that canaries have outlived goes up to so many times what they have shown; one that is too high is found lower again. */
const RAISE = 2;
/** Fewer bytes a millisecond are pings and little else: what dies idle does not die of its bytes, of which there are as many as it is old. */
const LEAST_RATE = 0.1;

/** What somebody in between may look at. */
export type Measure = 'ageMs' | 'bytes';

/** How far a canary came, in one measure. */
export interface CanaryEnd {
  readonly alive: number;
  /** Where it was dead by then; null for one that was let go. */
  readonly dead: number | null;
}

/** What is held of one measure. */
interface Belief {
  readonly limit: number | null;
  /** What canaries have died at, or others have told; what is found below it may be chance. */
  readonly proven: number | null;
  /** So many ends have to be alike. */
  readonly alike: number;
  /** The latest canaries in a row that have outlived the limit. */
  readonly outlivers: readonly CanaryEnd[];
  /** How far the latest canaries in a row came that have died at the limit. */
  readonly died: readonly number[];
}

const NO_BELIEF: Belief = { limit: null, proven: null, alike: LEAST_ALIKE, outlivers: [], died: [] };

/** A canary that was alive this far beyond a limit has outlived it, whatever it died of then. */
const OUTLIVED: Readonly<Record<Measure, number>> = { ageMs: 1 + 2 * ALIKE.ageMs, bytes: 1 + 1.5 * ALIKE.bytes };

/**
 * Learns from how carriers die whether somebody cuts or freezes them at an age, or after so many bytes: deaths that are all alike in one
 * measure and not in the other. Deaths agree by chance, too: a limit is *unproven* until canaries, carriers that are let go beyond it, have died
 * at it, and it is refuted when they outlive it. Pure; times in milliseconds of a monotonic clock.
 */
export class LimitFinder {
  #ends: FoulEnd[] = [];
  #lastAtMs = Number.NEGATIVE_INFINITY;
  #beliefs: Readonly<Record<Measure, Belief>> = { ageMs: NO_BELIEF, bytes: NO_BELIEF };
  #told: FoundLimits = { ageMs: null, bytes: null };

  /** What has been found so far. */
  get found(): FoundLimits {
    return { ageMs: this.#beliefs.ageMs.limit, bytes: this.#beliefs.bytes.limit };
  }

  /** Whether there is a limit of which canaries have to show first that it is one. */
  isUnproven(measure: Measure): boolean {
    const { limit, proven } = this.#beliefs[measure];
    return limit !== null && limit !== proven;
  }

  /** Takes over what others say they have found here, in place of what they said before; what was seen here counts for more. */
  suggest(told: FoundLimits): void {
    for (const measure of ['ageMs', 'bytes'] as const) {
      const [{ limit, proven }, before] = [this.#beliefs[measure], this.#told[measure]];
      const isNews = told[measure] !== before;
      if (!isNews) continue;
      if (proven === before) this.#set(measure, { proven: told[measure] });
      if (limit === null || limit === before) this.#set(measure, { limit: told[measure], proven: told[measure] });
    }
    this.#told = told;
  }

  /** Notes an end; returns whether that changed what is found. */
  note(end: FoulEnd, nowMs: number): boolean {
    // A carrier that was there when the last one died may have died of the same.
    const isSameEvent = nowMs - this.#lastAtMs < ONE_EVENT_MS && end.bornMs < this.#lastAtMs;
    this.#lastAtMs = nowMs;
    if (isSameEvent) return false;
    this.#ends = [...this.#ends, end].slice(-MOST_ALIKE - 1);
    const best = this.#judge();
    if (best === null) return false;
    const { measure, limit } = best;
    const before = this.#beliefs[measure].limit;
    if (before !== null && limit >= before) return false;
    this.#set(measure, { limit });
    return true;
  }

  /**
   * Notes how far a canary came. Returns whether that changed what is found. One that died long before the limit, or was let go there, says nothing;
   * one by itself is not enough, since random deaths happen at a limit, too, and not everyone who cuts cuts always.
   */
  noteCanary(measure: Measure, { alive, dead }: CanaryEnd): boolean {
    const belief = this.#beliefs[measure];
    if (belief.limit === null) return false;
    const hasOutlived = alive >= OUTLIVED[measure] * belief.limit;
    if (!hasOutlived && (dead === null || dead < (1 - ALIKE[measure]) * belief.limit)) return false;
    const outlivers = hasOutlived ? [...belief.outlivers, { alive, dead }] : [];
    const died = hasOutlived ? [] : [...belief.died, alive].slice(-CANARIES);
    if (outlivers.length === CANARIES) {
      this.#refute(measure, outlivers);
      return true;
    }
    this.#beliefs = { ...this.#beliefs, [measure]: { ...belief, outlivers, died } };
    return died.length === CANARIES && this.#prove(measure, died);
  }

  /** What canaries have outlived is no limit; it may have been taken for lower than it is. */
  #refute(measure: Measure, outlivers: readonly CanaryEnd[]): void {
    const belief = this.#beliefs[measure];
    const fallback = this.isUnproven(measure) ? belief.proven : null;
    const limit = raise(measure, outlivers) ?? fallback;
    this.#set(measure, { limit, proven: fallback, alike: Math.min(MOST_ALIKE, belief.alike + 1) });
  }

  /** Canaries that have died come closest to a limit: what was seen before may have been too little. Returns whether it goes up. */
  #prove(measure: Measure, died: readonly number[]): boolean {
    const belief = this.#beliefs[measure];
    const limit = Math.max(belief.limit ?? 0, (1 - MARGIN[measure]) * Math.min(...died));
    this.#beliefs = { ...this.#beliefs, [measure]: { ...belief, limit, proven: limit, alike: LEAST_ALIKE } };
    return limit !== belief.limit;
  }

  /** What was seen under another limit says nothing about the next. */
  #set(measure: Measure, change: Partial<Belief>): void {
    this.#beliefs = { ...this.#beliefs, [measure]: { ...this.#beliefs[measure], ...change, outlivers: [], died: [] } };
    this.#ends = [];
  }

  /** The measure in which the latest ends, but for one, are most alike, and the limit that they speak for. */
  #judge(): { measure: Measure; limit: number } | null {
    const { ageMs, bytes } = this.#beliefs;
    const judgements = [
      ...groups(this.#ends, ageMs.alike).map(({ ends, later }) => judgeAge(ends, later)),
      ...groups(this.#ends, bytes.alike).map(({ ends, later }) => judgeBytes(ends, later)),
    ];
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

/**
 * A limit that does not contradict these canaries; null: there is none. Where they died alike is one. Of what was sent nobody knows how much got
 * through before a carrier died, so that a limit of bytes may be taken for far too low: it goes up in steps.
 */
function raise(measure: Measure, outlivers: readonly CanaryEnd[]): number | null {
  const deaths = outlivers.map(({ dead }) => dead ?? Number.POSITIVE_INFINITY);
  const [least, most] = [Math.min(...deaths), Math.max(...deaths)];
  if (Number.isFinite(most) && most <= (1 + ALIKE[measure]) * least) return (1 - MARGIN[measure]) * least;
  const shown = Math.min(...outlivers.map(({ alive }) => alive));
  return measure === 'bytes' && shown <= MOST_LIMIT_BYTES ? RAISE * shown : null;
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
 * All ways to leave one of the last `count` + 1 out; `count` as they are, fewer not at all. `later`: the one that is left out, unless it is the
 * oldest. Of an older one nobody may have cut yet, but a later one that has gone far beyond the others was not cut where they were.
 */
function groups<T>(values: readonly T[], count: number): { readonly ends: readonly T[]; readonly later: T | null }[] {
  const latest = values.slice(-count - 1);
  if (latest.length === count) return [{ ends: latest, later: null }];
  if (latest.length < count) return [];
  return latest.map((value, left) => ({
    ends: latest.filter((_value, index) => index !== left),
    later: left === 0 ? null : value,
  }));
}
