import type { Random } from '../../env.ts';
import { MAX_BOND_CARRIERS } from '../../limits.ts';
import type { CarrierLossCause } from '../carrier.ts';
import { type CanaryEnd, type FoulEnd, type FoundLimits, LimitFinder, type Measure } from './limit-finder.ts';
import { WidthSearch } from './width-search.ts';

/** When carriers are replaced before somebody cuts them: each draws its limits from these ranges. */
export interface RotationPolicy {
  /** Age in milliseconds, from … to; null for never by age. */
  readonly ageMs: readonly [number, number] | null;
  /** Bytes in both directions together, from … to; null for never by bytes. */
  readonly bytes: readonly [number, number] | null;
}

/** No rotation. */
export const NO_ROTATION: RotationPolicy = { ageMs: null, bytes: null };

/** What was drawn for one carrier. */
export interface CarrierLimits {
  /** It is to be replaced at this age, */
  readonly ageMs: number;
  /** or when so many bytes have gone over it, both ways together, */
  readonly bytes: number;
  /** and must never carry more than this. */
  readonly budgetBytes: number;
}

/** How a carrier came to its end, and what had been drawn for it. */
export interface CarrierEnd extends FoulEnd {
  readonly cause: CarrierLossCause;
  readonly limits: CarrierLimits;
}

/** What a carrier plan has come to; for events. */
export interface PlanState extends FoundLimits {
  readonly carriers: number;
}

/** How many carriers there are, and for how long each: what the user has set, or what has been learnt on this network. */
export interface CarrierPlan {
  /** How many are in use at once. */
  readonly carriers: number;
  readonly state: PlanState;
  /** The limits of a new carrier. `isSpared`: by its way none has died so far, so that it is not held to a number of bytes. */
  draw(nowMs: number, isSpared?: boolean): CarrierLimits;
  /** A carrier has come to its end. Returns whether that changed the plan. */
  noteEnd(end: CarrierEnd, nowMs: number): boolean;
  /** So many bytes have got through so far. Returns whether that changed the plan. */
  noteTraffic(bytes: number, nowMs: number): boolean;
  /** Whether a carrier that has been replaced for its age should stay, with nothing to carry, to see whether it is still cut. */
  wantsCanary(nowMs: number): boolean;
  /** A canary has come to its end, its ages in milliseconds. Returns whether that changed the plan. */
  noteCanary(ages: CanaryEnd): boolean;
}

/** Draws one number of a range; infinity of none. */
function drawFrom(random: Random, range: readonly [number, number] | null): number {
  return range === null ? Number.POSITIVE_INFINITY : range[0] + random.fraction() * (range[1] - range[0]);
}

/** The plan of a user who has set it. */
export class FixedPlan implements CarrierPlan {
  readonly carriers: number;
  readonly #random: Random;
  readonly #rotation: RotationPolicy;

  constructor(random: Random, options: { readonly rotation: RotationPolicy; readonly carriers?: number | undefined }) {
    this.#random = random;
    this.#rotation = options.rotation;
    this.carriers = Math.min(MAX_BOND_CARRIERS, options.carriers ?? 1);
  }

  get state(): PlanState {
    const { ageMs, bytes } = this.#rotation;
    return { carriers: this.carriers, ageMs: ageMs?.[1] ?? null, bytes: bytes?.[1] ?? null };
  }

  draw(): CarrierLimits {
    const { ageMs, bytes } = this.#rotation;
    const budgetBytes = Number.POSITIVE_INFINITY;
    return { ageMs: drawFrom(this.#random, ageMs), bytes: drawFrom(this.#random, bytes), budgetBytes };
  }

  noteEnd(): boolean {
    return false;
  }

  noteTraffic(): boolean {
    return false;
  }

  wantsCanary(): boolean {
    return false;
  }

  noteCanary(): boolean {
    return false;
  }
}

/** Ends that somebody in between has caused, or the network. */
export const FOUL_ENDS: ReadonlySet<CarrierLossCause> = new Set(['closed', 'reset', 'stalled', 'gone']);

/** Carriers are replaced at an age between these shares of what is allowed, */
const AGE_SHARE = [0.55, 0.85] as const;
/** and so long before it where there is as much time: until that is noticed, the next one attached, and the old one let go. */
const REPLACING_MS = 1500;
const SPREAD = 0.8;
/** The next carrier is attached when between these shares of what is allowed have been carried; the rest is carried meanwhile. */
const BYTES_SHARE = [0.3, 0.5] as const;
/** One in so many carriers becomes a canary, which goes beyond a proven limit to see whether it still holds; but no two within this time. */
const CANARY_SHARE = 0.02;
const CANARY_MS = 60_000;
/** One after the other does at a limit that may be chance, within this time; it costs little against a wrong limit. */
const UNPROVEN_CANARY_MS = 2000;
/** What a canary of bytes carries is held up when it dies: where it is a session's only carrier, there is more time between two. */
const LONE_CANARY_MS = 5000;
/** It goes so far, in age or bytes. */
export const CANARY_REACH = 2;
/** Of what a canary of bytes may carry it carries at least so much, which is beyond the limit. */
const CANARY_BYTES_SHARE = [0.8, 0.95] as const;

/**
 * Carriers of few bytes spend most of their time in being made, and as many are made for a file whether one after the other or some at once: so
 * some at once from the beginning.
 */
const COUNTED_CARRIERS = 4;

/** The ages between which carriers are replaced where they are cut at this one. */
function rangeOfAges(limitMs: number): readonly [number, number] {
  const [leastShare, mostShare] = AGE_SHARE;
  const most = Math.max(limitMs / 2, Math.min(mostShare * limitMs, limitMs - REPLACING_MS));
  // However short the time is, no two carriers live equally long.
  return [Math.min(leastShare * limitMs, SPREAD * most), most];
}

/** From where a plan sets out. */
export interface AdaptivePlanOptions {
  readonly mostCarriers?: number | undefined;
  /** How many carriers are said to be of use at once here; one if nobody has said. */
  readonly usefulCarriers?: number | undefined;
  /** The share of carriers that become canaries. */
  readonly canaryShare?: number | undefined;
  /** What is known of the network already, perhaps by other sessions. */
  readonly finder?: LimitFinder | undefined;
}

/** Learns from how carriers die and what they carry; shared by all sessions on one network. */
export class AdaptivePlan implements CarrierPlan {
  readonly #random: Random;
  readonly #finder: LimitFinder;
  readonly #search: WidthSearch;
  readonly #canaryShare: number;
  #canaryAtMs: Record<Measure, number> = { ageMs: Number.NEGATIVE_INFINITY, bytes: Number.NEGATIVE_INFINITY };

  constructor(random: Random, options: AdaptivePlanOptions = {}) {
    this.#random = random;
    this.#finder = options.finder ?? new LimitFinder();
    const most = Math.min(MAX_BOND_CARRIERS, options.mostCarriers ?? MAX_BOND_CARRIERS);
    this.#search = new WidthSearch(most, options.usefulCarriers);
    this.#canaryShare = options.canaryShare ?? CANARY_SHARE;
  }

  get carriers(): number {
    return this.#search.width;
  }

  get state(): PlanState {
    return { carriers: this.carriers, ...this.#finder.found };
  }

  draw(nowMs: number, isSpared = false): CarrierLimits {
    const { ageMs } = this.#finder.found;
    // Who counts by what a connection looks like may not count all.
    const bytes = isSpared ? null : this.#finder.found.bytes;
    const isCanary = bytes !== null && this.#isTimeForCanary('bytes', nowMs);
    const budget = bytes === null ? null : bytes * (isCanary ? CANARY_REACH : 1);
    const [least, most] = isCanary ? CANARY_BYTES_SHARE : BYTES_SHARE;
    return {
      ageMs: drawFrom(this.#random, ageMs === null ? null : rangeOfAges(ageMs)),
      bytes: drawFrom(this.#random, budget === null ? null : [least * budget, most * budget]),
      budgetBytes: budget ?? Number.POSITIVE_INFINITY,
    };
  }

  noteEnd(end: CarrierEnd, nowMs: number): boolean {
    const { bytes } = this.#finder.found;
    const { budgetBytes } = end.limits;
    const wasCanary = bytes !== null && Number.isFinite(budgetBytes) && budgetBytes > bytes;
    if (!wasCanary) return FOUL_ENDS.has(end.cause) && this.#finder.note(end, nowMs);
    return this.#finder.noteCanary('bytes', { alive: end.bytes, dead: FOUL_ENDS.has(end.cause) ? end.bytes : null });
  }

  noteTraffic(bytes: number, nowMs: number): boolean {
    if (this.#finder.found.bytes !== null) this.#search.expect(COUNTED_CARRIERS);
    return this.#search.note(bytes, nowMs);
  }

  wantsCanary(nowMs: number): boolean {
    return this.#finder.found.ageMs !== null && this.#isTimeForCanary('ageMs', nowMs);
  }

  #isTimeForCanary(measure: Measure, nowMs: number): boolean {
    const isUnproven = this.#finder.isUnproven(measure);
    const isLone = measure === 'bytes' && this.carriers === 1;
    const unprovenMs = isLone ? LONE_CANARY_MS : UNPROVEN_CANARY_MS;
    if (nowMs - this.#canaryAtMs[measure] < (isUnproven ? unprovenMs : CANARY_MS)) return false;
    if (!isUnproven && this.#random.fraction() >= this.#canaryShare) return false;
    this.#canaryAtMs[measure] = nowMs;
    return true;
  }

  noteCanary(ages: CanaryEnd): boolean {
    return this.#finder.noteCanary('ageMs', ages);
  }
}
