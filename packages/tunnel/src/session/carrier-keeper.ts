import type { Env } from '../env.ts';
import { watchCanary } from './canary-watch.ts';
import { type Carrier, type CarrierLossCause, SPENT_BYTES } from './carrier.ts';
import { CANARY_REACH, type CarrierLimits, type CarrierPlan } from './plan/carrier-plan.ts';
import type { Session } from './session.ts';

/** Of a budget, each direction gets this share at least. */
const LEAST_SHARE = 0.15;
/** And so many bytes, where there are as many: last words, and something before them. */
const LEAST_BYTES = 2500;

/** What was drawn for a carrier, and how much of that each side may send. */
interface Terms extends CarrierLimits {
  readonly isSpared: boolean;
  readonly own: number;
  readonly peer: number;
}

/** How long the peer has for its word of what has arrived on a lost carrier. */
const LAST_WORD_MS = 5000;

/** A carrier that is lost, while it is awaited what has arrived on it. */
interface LostCarrier {
  readonly carrier: Carrier;
  readonly atMs: number;
  readonly note: () => void;
}

/** Without a budget; what the relay is told has to be a number. */
const UNBOUNDED = { own: Number.POSITIVE_INFINITY, peer: Number.MAX_SAFE_INTEGER };

/** How a carrier keeper is set up. */
export interface CarrierKeeperOptions {
  readonly session: Session;
  readonly plan: CarrierPlan;
  readonly onPlanChanged?: ((plan: CarrierPlan) => void) | undefined;
}

/**
 * Keeps to the plan for a client's carriers: which are there to stay, which are to be replaced, which are let go once they have been.
 * It attaches none: `missing` says how many.
 */
export class CarrierKeeper {
  readonly #env: Env;
  readonly #options: CarrierKeeperOptions;
  readonly #terms = new Map<Carrier, Terms>();
  readonly #isSpared = new WeakMap<Carrier, () => boolean>();
  /** Carriers to be replaced, by age or bytes. */
  readonly #due = new Set<Carrier>();
  /** Carriers that others have replaced and that are let go in a moment. */
  readonly #leaving = new Set<Carrier>();
  /** Carriers that were replaced and stay, with nothing to carry, to see whether they are cut. */
  readonly #canaries = new Set<Carrier>();
  /** Those of them that have been asked at the end for a sign of life. */
  readonly #asked = new Set<Carrier>();
  #lost: readonly LostCarrier[] = [];
  #width = 1;
  /** Bytes that got through on carriers that are no more, each way. */
  #ended = { up: 0, down: 0 };

  constructor(env: Env, options: CarrierKeeperOptions) {
    this.#env = env;
    this.#options = options;
  }

  get #plan(): CarrierPlan {
    return this.#options.plan;
  }

  /** How many carriers are to be attached beside those there are; below 0 for those too many. */
  get missing(): number {
    return this.#plan.carriers - this.lasting.length;
  }

  /** The carriers that are there to stay. */
  get lasting(): Carrier[] {
    return this.#usable.filter((carrier) => !carrier.suspect && !this.#due.has(carrier));
  }

  get #usable(): Carrier[] {
    return this.#options.session.carriers.filter((carrier) => carrier.usable && !this.#canaries.has(carrier));
  }

  /** Has the session use as many carriers as the plan says. */
  keepWidth(): void {
    if (this.#plan.carriers === this.#width) return;
    this.#width = this.#plan.carriers;
    this.#options.session.bond(this.#width);
    this.#replaceSurplus();
  }

  /** Takes a new carrier in, and lets those go that it replaces. `isSpared`: whether none has died so far by its way. */
  add(carrier: Carrier, isSpared: () => boolean = () => false): void {
    this.#isSpared.set(carrier, isSpared);
    const limits = this.#draw(carrier);
    this.#setTerms(carrier, limits);
    const { bytes } = this.#plan.state;
    if (bytes !== null && Number.isFinite(limits.budgetBytes) && limits.budgetBytes > bytes)
      this.#watchCanary(carrier, bytes);
    this.#replaceSurplus();
  }

  #draw(carrier: Carrier): CarrierLimits {
    return this.#plan.draw(this.#env.clock.monotonicMs(), this.#isSparedNow(carrier));
  }

  #isSparedNow(carrier: Carrier): boolean {
    return this.#isSpared.get(carrier)?.() ?? false;
  }

  #watchCanary(canary: Carrier, fromBytes: number): void {
    const { session } = this.#options;
    watchCanary(this.#env, canary, {
      fromBytes,
      livesAnother: (sinceMs) =>
        session.carriers.some((carrier) => carrier !== canary && carrier.lastReceivedMs > sinceMs),
      ping: () => session.ping(canary),
      giveUp: () => session.giveUp(canary),
    });
  }

  #setTerms(carrier: Carrier, limits: CarrierLimits): void {
    const isBounded = Number.isFinite(limits.budgetBytes);
    const wasBounded = Number.isFinite(this.#terms.get(carrier)?.budgetBytes ?? Number.POSITIVE_INFINITY);
    const isSpared = this.#isSparedNow(carrier);
    const terms = { ...limits, isSpared, ...(isBounded ? this.#split(carrier, limits.budgetBytes) : UNBOUNDED) };
    this.#terms.set(carrier, terms);
    if (isBounded || wasBounded) this.#options.session.setBudget(carrier, terms);
  }

  /** Shares out what a carrier may still carry, as it was used on those before. */
  #split({ bytesSent, bytesReceived }: Carrier, budgetBytes: number): Pick<Terms, 'own' | 'peer'> {
    const { up, down } = this.#ended;
    const leftBytes = Math.max(0, Math.floor(budgetBytes) - bytesSent - bytesReceived);
    const least = Math.max(LEAST_SHARE * leftBytes, Math.min(LEAST_BYTES, leftBytes / 2));
    const own = Math.floor(Math.min(leftBytes - least, Math.max(least, (leftBytes * up) / Math.max(1, up + down))));
    return { own: bytesSent + own, peer: bytesReceived + leftBytes - own };
  }

  /** Changes the terms of a carrier that is there to those of the plan, without its ever carrying more than it may. */
  #revise(carrier: Carrier): void {
    const limits = this.#draw(carrier);
    const before = this.#terms.get(carrier);
    if (before === undefined) return;
    if (!Number.isFinite(limits.budgetBytes)) {
      this.#setTerms(carrier, limits);
      return;
    }
    const { ageMs } = limits;
    const bytes = Math.min(before.bytes, limits.bytes);
    // What the relay was granted once it may have sent by now: that is not taken back.
    const isGranted = Number.isFinite(before.budgetBytes);
    // One that has carried more already is replaced, and serves until then.
    const isBeyond = carrier.bytesSent + carrier.bytesReceived > limits.bytes;
    if (isGranted || isBeyond) this.#terms.set(carrier, { ...before, ageMs, bytes });
    else this.#setTerms(carrier, limits);
  }

  /** Lets go of those carriers that new ones have replaced: suspect ones first, then those that are due, then the oldest. */
  #replaceSurplus(): void {
    const usable = this.#usable;
    const worth = (carrier: Carrier) => (carrier.suspect ? 0 : 2) - (this.#due.has(carrier) ? 1 : 0);
    usable.sort((a, b) => worth(a) - worth(b) || a.id - b.id);
    for (const older of usable.slice(0, -this.#plan.carriers)) this.#replace(older);
  }

  /** Lets go of a carrier that another has replaced: a silent one at once, any other after a short, random overlap. */
  #replace(older: Carrier): void {
    if (older.suspect) {
      this.#options.session.giveUp(older);
      return;
    }
    if (this.#leaving.has(older)) return;
    this.#leaving.add(older);
    // Among several that come and go, the end of one tells nobody which one has followed it, and its place may be needed.
    const overlapMs = (50 + this.#env.random.fraction() * 450) / this.#plan.carriers;
    this.#env.clock.setTimer(overlapMs, () => {
      this.#leaving.delete(older);
      // What replaced it may be gone by now, and then it is all there is.
      if (older.usable && this.#usable.length > this.#plan.carriers) this.#letGo(older);
    });
  }

  #letGo(older: Carrier): void {
    const nowMs = this.#env.clock.monotonicMs();
    const isOld = nowMs - older.attachedMs >= (this.#terms.get(older)?.ageMs ?? 0);
    if (older.suspect) this.#options.session.giveUp(older);
    else if (isOld && this.#plan.wantsCanary(nowMs)) this.#canaries.add(older);
    else this.#options.session.retire(older);
  }

  /** Looks whether a carrier has to be replaced; true when it has just become due. */
  check(carrier: Carrier): boolean {
    this.#judgeLost();
    if (this.#canaries.has(carrier)) this.#checkCanary(carrier);
    // Nothing more may be sent on it, and what is on its way is acknowledged over others.
    if (carrier.isSpent && !carrier.retired && !carrier.lost) this.#options.session.retire(carrier);
    const terms = this.#terms.get(carrier);
    // The same of the other side, if only that one has spent its share; the last carrier still serves this one.
    if (
      terms !== undefined &&
      terms.peer - carrier.bytesReceived < SPENT_BYTES &&
      carrier.usable &&
      this.#usable.length > 1
    )
      this.#options.session.retire(carrier);
    if (terms === undefined || this.#due.has(carrier) || this.#leaving.has(carrier)) return false;
    if (!(carrier.isSpent || this.#isDue(carrier, terms))) return false;
    this.#due.add(carrier);
    return true;
  }

  #isDue(carrier: Carrier, terms: Terms): boolean {
    const { attachedMs, bytesSent, bytesReceived } = carrier;
    if (this.#env.clock.monotonicMs() - attachedMs >= terms.ageMs) return true;
    if (!Number.isFinite(terms.budgetBytes)) return bytesSent + bytesReceived >= terms.bytes;
    const share = terms.bytes / terms.budgetBytes;
    return bytesSent >= share * terms.own || bytesReceived >= share * terms.peer;
  }

  #checkCanary(carrier: Carrier): void {
    const { session } = this.#options;
    const { ageMs } = this.#plan.state;
    if (carrier.retired || carrier.lost) return;
    if (carrier.suspect) {
      session.giveUp(carrier);
      return;
    }
    if (ageMs !== null) {
      if (this.#env.clock.monotonicMs() - carrier.attachedMs < CANARY_REACH * ageMs) return;
      // Nothing is heard of one that was frozen either: that it lives is known when it has answered.
      if (!this.#asked.has(carrier)) session.ping(carrier);
      this.#asked.add(carrier);
      if (carrier.ledger.outstanding) return;
    }
    session.retire(carrier);
    this.#tell(
      ageMs !== null &&
        this.#plan.noteCanary({ alive: this.#env.clock.monotonicMs() - carrier.attachedMs, dead: null }),
    );
  }

  /** Notes a carrier's end, from which the plan may learn. */
  noteLost(carrier: Carrier, cause: CarrierLossCause): void {
    const through = throughOf(carrier);
    this.#ended = { up: this.#ended.up + through.up, down: this.#ended.down + through.down };
    const limits = this.#terms.get(carrier);
    const nowMs = this.#env.clock.monotonicMs();
    const bornMs = carrier.attachedMs;
    const isSilent = cause === 'stalled';
    const ageMs = (isSilent ? carrier.lastReceivedMs : nowMs) - bornMs;
    // What was asked for then never came.
    const deadAgeMs = (isSilent ? Math.max(carrier.awaitedSinceMs, carrier.lastReceivedMs) : nowMs) - bornMs;
    if (this.#canaries.has(carrier))
      this.#tell(cause !== 'retired' && this.#plan.noteCanary({ alive: ageMs, dead: deadAgeMs }));
    else if (limits !== undefined && carrier.receivedRecords > 0) {
      const note = () => {
        const { up, down } = throughOf(carrier);
        this.#tell(this.#plan.noteEnd({ cause, bornMs, ageMs, deadAgeMs, bytes: up + down, limits }, nowMs));
      };
      if (cause === 'retired') note();
      else this.#lost = [...this.#lost, { carrier, atMs: nowMs, note }];
    }
    this.#terms.delete(carrier);
    this.#due.delete(carrier);
    this.#leaving.delete(carrier);
    this.#canaries.delete(carrier);
    this.#asked.delete(carrier);
    this.#reviseSpared();
  }

  /** Those of the same way as one that has died are not spared any more. */
  #reviseSpared(): void {
    const isOver = (carrier: Carrier) => this.#terms.get(carrier)?.isSpared === true && !this.#isSparedNow(carrier);
    for (const carrier of this.lasting.filter(isOver)) this.#revise(carrier);
  }

  /** Judges lost carriers of which the peer has said what has arrived on them, in the order in which they were lost. */
  #judgeLost(): void {
    const nowMs = this.#env.clock.monotonicMs();
    for (const { carrier, atMs, note } of this.#lost) {
      if (!carrier.ledger.isOver && nowMs - atMs < LAST_WORD_MS) break;
      this.#lost = this.#lost.slice(1);
      note();
    }
  }

  /** Notes how much has got through by now; to be called about twice a second. */
  noteTraffic(): void {
    this.#judgeLost();
    let { up, down } = this.#ended;
    for (const carrier of this.#options.session.carriers) {
      const through = throughOf(carrier);
      up += through.up;
      down += through.down;
    }
    this.#tell(this.#plan.noteTraffic(up + down, this.#env.clock.monotonicMs()));
  }

  /** A plan that has changed holds for the carriers that are there, too. */
  #tell(hasChanged: boolean): void {
    if (!hasChanged) return;
    for (const carrier of this.lasting) this.#revise(carrier);
    this.keepWidth();
    this.#options.onPlanChanged?.(this.#plan);
  }
}

/** What has got through on a carrier, each way, as far as this side knows. */
function throughOf({ bytesReceived, ledger }: Carrier): { up: number; down: number } {
  return { up: ledger.arrivedBytes, down: bytesReceived };
}
