import { Burst } from './burst.ts';

/** What limits a carrier's bytes in flight. */
export interface LedgerBounds {
  /** In flight before anything is known of the carrier. */
  readonly initialBytes: number;
  /** In flight at least, however slow the carrier is. */
  readonly minBytes: number;
  /** In flight at most. */
  readonly maxBytes: number;
  /** Time allowed in the queue before the carrier's bottleneck, in milliseconds: enough to bridge bunches of acknowledgements and timer noise. */
  readonly queueMs: number;
}

/** What an earlier carrier of the session tells of the path. A `CarrierLedger` is one; while its carrier lives, all of it holds. */
export interface KnownPath {
  /** Bytes per millisecond, or 0. */
  readonly rate: number;
  readonly returnQueueMs?: number;
  readonly leastRttMs?: number;
  readonly leastWayMs?: number;
}

interface Entry<Item> {
  readonly record: number;
  readonly bytes: number;
  readonly sentMs: number;
  /** Bytes acknowledged, and when the last of them were, at the time of sending: the start of this entry's rate sample. */
  readonly deliveredBytes: number;
  readonly deliveredMs: number;
  /** The same moment as the peer told of it (see `noteArrival`); null when nothing was in flight, or it did not tell. */
  readonly arrivedMs: number | null;
  /** Whether the sender had nothing more to send, so that the sample says little about the carrier. */
  readonly idle: boolean;
  readonly items: readonly Item[];
}

/** Records that asked for no acknowledgement and of which it is not known whether they have arrived; with more, the oldest count as one. */
const MAX_QUIET = 64;
/** A queue that does not go below this for a round trip says that the carrier is full. */
const FULL_QUEUE_MS = 25;
/** A burst that came together shows that the path holds more, but not more than so many times as much. */
const MOST_GROWTH = 8;
/** A smaller part of the first bytes in flight says nothing: a few records pass anything at once. */
const TELLING_SHARE = 3 / 4;
/** The longest queue on the way back that is made up for, in times of `queueMs`: what the peer allows itself, and as much for its unevenness. */
const MAX_RETURN_QUEUES = 2;
/** Clocks drift apart: what counts as the least time from here to there grows by this share of the time that passes. */
const CLOCK_DRIFT = 0.0001;
/** A rate is remembered for this long at least, and for ten of the path's own round trips (queues may be endless when a throttle begins). */
const RATE_MEMORY_MS = 2000;
/** What an earlier carrier has left is replaced by what this one has measured after this long. */
const FIRST_RATE_MEMORY_MS = 500;
const MIN_RATE_SAMPLE_MS = 1;
/** An earlier carrier may have gone another way: what it has told of the path is doubted after this long, and forgotten when nothing has been as quick since. */
const FOREIGN_PATH_MS = 5000;

const UNKNOWN_PATH = { leastRttMs: Number.POSITIVE_INFINITY, leastWayMs: Number.POSITIVE_INFINITY };

/**
 * What one carrier has been given and not yet acknowledged, and what its acknowledgements tell of the path: round trip, delivery rate and
 * so how many bytes may be in flight. Kernel buffers hold minutes at 64 kbit/s, so the limit is what keeps a slow carrier responsive, and
 * what bounds the loss when it is cut.
 *
 * The rate is measured as in BBR (Cardwell et al. 2016): bytes delivered between an entry's sending and its acknowledgement. The queue is
 * measured as in LEDBAT (RFC 6817): how much longer an entry was on its way than the quickest one. Both rest on the peer's word for when
 * it arrived, because acknowledgements come in bunches and have to queue behind what the peer itself sends: with both directions full, a
 * sender that went by the round trip would take the other's queue for its own and starve. The limit is rate × (the way back + the way there
 * without queue + `queueMs`). While there is no queue, it is the limit that makes the rate. So it is at least twice the rate × round trip
 * and doubles with each; where bytes that were sent together have come together, it is what the path brings in a round trip at their pace.
 *
 * Pure: times are arguments, in milliseconds of a monotonic clock.
 */
export class CarrierLedger<Item> {
  readonly #bounds: LedgerBounds;
  readonly #path: KnownPath;
  #entries: Entry<Item>[] = [];
  #head = 0;
  #inFlightBytes = 0;
  #deliveredBytes = 0;
  #quiet: { readonly record: number; readonly bytes: number }[] = [];
  #arrivedQuietBytes = 0;
  #isOver = false;
  #deliveredMs: number;
  #smoothedRttMs: number;
  #leastRttMs: number;
  #rate = 0;
  #formerRate = 0;
  #rateSinceMs: number;
  #rateMemoryMs = FIRST_RATE_MEMORY_MS;
  /** What the peer told of the arrival of what it acknowledged last, and of what it will acknowledge next. */
  #arrivedMs: number | null = null;
  #nextArrivedMs: number | null = null;
  /** From here to there on the peer's clock, which knows nothing of ours: only differences mean something. */
  #leastWayMs: number;
  #leastWaySinceMs: number;
  /** The same two, of this carrier alone, until what it was told of the path is believed or forgotten. */
  #own: { leastRttMs: number; leastWayMs: number; readonly untilMs: number } | null = null;
  /** The smoothed round trip without the queue on the way there. */
  #unqueuedMs: number;
  /** Whether the latest round trip saw no lasting queue. */
  #isRamping = true;
  #roundEndBytes = 0;
  #roundQueueMs = Number.POSITIVE_INFINITY;
  readonly #burst = new Burst();
  /** What the bursts of the present round trip have shown the path to hold. */
  #burstWindowBytes = 0;

  /** `roundTripMs` is what the handshake took. */
  constructor(bounds: LedgerBounds, start: { nowMs: number; roundTripMs: number } & KnownPath) {
    this.#bounds = bounds;
    this.#deliveredMs = start.nowMs;
    this.#rateSinceMs = start.nowMs;
    this.#leastWaySinceMs = start.nowMs;
    this.#path = start;
    this.#leastWayMs = start.leastWayMs ?? Number.POSITIVE_INFINITY;
    this.#smoothedRttMs = start.roundTripMs;
    this.#leastRttMs = Math.min(start.roundTripMs, start.leastRttMs ?? start.roundTripMs);
    this.#unqueuedMs = this.#leastRttMs + (start.returnQueueMs ?? 0);
    this.#formerRate = start.rate;
    if (start.leastWayMs !== undefined) this.#own = { ...UNKNOWN_PATH, untilMs: start.nowMs + FOREIGN_PATH_MS };
  }

  /** Sets what is known of the round trip from outside, before anything was sent. */
  seedRoundTrip(roundTripMs: number): void {
    this.#smoothedRttMs = roundTripMs;
    this.#leastRttMs = Math.min(roundTripMs, this.#path.leastRttMs ?? roundTripMs);
    this.#unqueuedMs = this.#leastRttMs + (this.#path.returnQueueMs ?? 0);
  }

  /** Bytes sent and not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Bytes that are known to have arrived, those of records included that asked for no acknowledgement. */
  get arrivedBytes(): number {
    return this.#deliveredBytes + this.#arrivedQuietBytes;
  }

  /** The carrier is lost, and there is no more to be learnt of what has arrived on it. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Whether anything that asks for an acknowledgement is without one. */
  get outstanding(): boolean {
    return this.#head < this.#entries.length;
  }

  /** Smoothed round trip in milliseconds, queues and delayed acknowledgements included. */
  get smoothedRttMs(): number {
    return this.#smoothedRttMs;
  }

  /** Least round trip in milliseconds. */
  get leastRttMs(): number {
    return this.#leastRttMs;
  }

  /** Delivery rate in bytes per millisecond, 0 while unknown. */
  get rate(): number {
    return Math.max(this.#rate, this.#formerRate);
  }

  /** How long acknowledgements wait on their way, in milliseconds: queues behind what the peer sends, and its own delays. */
  get returnQueueMs(): number {
    return Math.max(0, this.#unqueuedMs - this.#leastRttMs);
  }

  /** The least time from here to there, on two clocks; infinite while unknown. */
  get leastWayMs(): number {
    return this.#leastWayMs;
  }

  /** How many bytes may be in flight. */
  get windowBytes(): number {
    const { rate } = this;
    if (rate === 0) return this.#bounds.initialBytes;
    const pathMs = this.#unqueuedMs + this.#bounds.queueMs;
    let bytes = rate * pathMs;
    if (this.#isRamping) bytes = Math.max(bytes, 2 * rate * this.#unqueuedMs, this.#burstWindowBytes);
    return Math.min(this.#bounds.maxBytes, Math.max(this.#bounds.minBytes, bytes));
  }

  /** About how long it takes until `bytes` arrive that are sent now, behind what is in flight, in milliseconds. */
  deliveryMs(bytes: number): number {
    const rate = this.rate === 0 ? this.#bounds.initialBytes / Math.max(1, this.#smoothedRttMs) : this.rate;
    // What is in flight was sent within a round trip, unless it stands in a queue.
    return Math.max(this.#inFlightBytes / rate, this.#leastRttMs) - this.#leastRttMs / 2 + bytes / rate;
  }

  /** Notes a record that asks for an acknowledgement, with what it carries. `idle`: there was nothing more to send. */
  sent(record: number, entry: { bytes: number; idle: boolean; items: readonly Item[] }, nowMs: number): void {
    if (!this.outstanding) {
      this.#deliveredMs = nowMs;
      this.#arrivedMs = null;
    }
    this.#entries.push({
      ...entry,
      record,
      sentMs: nowMs,
      deliveredBytes: this.#deliveredBytes,
      deliveredMs: this.#deliveredMs,
      arrivedMs: this.#arrivedMs,
    });
    this.#inFlightBytes += entry.bytes;
  }

  /** Notes a record that asks for no acknowledgement. */
  sentQuietly(record: number, bytes: number): void {
    this.#quiet.push({ record, bytes });
    if (this.#quiet.length <= MAX_QUIET) return;
    const [oldest, next] = this.#quiet.splice(0, 2);
    if (oldest && next) this.#quiet.unshift({ record: next.record, bytes: oldest.bytes + next.bytes });
  }

  /** The last record that the next acknowledgement covers arrived at this time of the peer's clock, which may count from any moment, the same for all of the session. */
  noteArrival(arrivedMs: number): void {
    this.#nextArrivedMs = arrivedMs;
  }

  /** The peer has received the carrier's first `records` records; returns what they carried, in order. */
  acknowledge(records: number, nowMs: number): Item[] {
    const items: Item[] = [];
    let last: Entry<Item> | undefined;
    const deliveredBefore = this.#deliveredBytes;
    const arrivedMs = this.#nextArrivedMs;
    this.#nextArrivedMs = null;
    for (;;) {
      const entry = this.#entries[this.#head];
      if (entry === undefined || entry.record >= records) break;
      this.#head += 1;
      this.#inFlightBytes -= entry.bytes;
      this.#deliveredBytes += entry.bytes;
      last = entry;
      items.push(...entry.items);
    }
    this.#acknowledgeQuiet(records);
    if (last === undefined) return items;
    if (this.#head > 256 || this.#head === this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    this.#arrivedMs = arrivedMs;
    this.#measure(last, nowMs);
    this.#measureBurst(this.#deliveredBytes - deliveredBefore, { sentMs: last.sentMs, arrivedMs: arrivedMs ?? nowMs });
    return items;
  }

  #acknowledgeQuiet(records: number): void {
    let arrived = 0;
    for (const { record, bytes } of this.#quiet) {
      if (record >= records) break;
      arrived += 1;
      this.#arrivedQuietBytes += bytes;
    }
    if (arrived > 0) this.#quiet = this.#quiet.slice(arrived);
  }

  #measure(entry: Entry<Item>, nowMs: number): void {
    const roundTripMs = nowMs - entry.sentMs;
    this.#smoothedRttMs += (roundTripMs - this.#smoothedRttMs) / 8;
    this.#leastRttMs = Math.min(this.#leastRttMs, roundTripMs);
    const arrivedMs = this.#arrivedMs;
    this.#deliveredMs = nowMs;
    this.#measureQueue(roundTripMs, arrivedMs === null ? null : arrivedMs - entry.sentMs, nowMs);
    if (entry.deliveredBytes >= this.#roundEndBytes) {
      // All that is acknowledged now was sent after the last round's end.
      this.#isRamping = this.#roundQueueMs < FULL_QUEUE_MS;
      this.#roundQueueMs = Number.POSITIVE_INFINITY;
      this.#roundEndBytes = this.#deliveredBytes;
      this.#burst.end();
      this.#burstWindowBytes = 0;
    }
    const isTold = arrivedMs !== null && entry.arrivedMs !== null;
    const elapsedMs = isTold ? arrivedMs - entry.arrivedMs : nowMs - entry.deliveredMs;
    const sample = (this.#deliveredBytes - entry.deliveredBytes) / Math.max(MIN_RATE_SAMPLE_MS, elapsedMs);
    if (sample > this.#rate) this.#rate = sample;
    if (entry.idle || nowMs - this.#rateSinceMs < Math.max(this.#rateMemoryMs, 10 * this.#leastRttMs)) return;
    this.#formerRate = this.#rate;
    this.#rate = sample;
    this.#rateSinceMs = nowMs;
    this.#rateMemoryMs = RATE_MEMORY_MS;
  }

  #measureBurst(bytes: number, times: { sentMs: number; arrivedMs: number }): void {
    const burst = this.#burst;
    burst.add(bytes, { ...times, gapMs: this.#unqueuedMs / 4 });
    if (burst.bytes < this.#bounds.initialBytes * TELLING_SHARE) return;
    const heldBytes = Math.min(burst.rate * this.#unqueuedMs, MOST_GROWTH * burst.bytes);
    this.#burstWindowBytes = Math.max(this.#burstWindowBytes, heldBytes);
  }

  /** `wayMs`: from here to there on two clocks; null when the peer does not tell, and then all queueing counts as ours. */
  #measureQueue(roundTripMs: number, wayMs: number | null, nowMs: number): void {
    let queueMs = roundTripMs - this.#leastRttMs;
    if (wayMs !== null) {
      this.#doubtPath(roundTripMs, wayMs, nowMs);
      const drift = CLOCK_DRIFT * (nowMs - this.#leastWaySinceMs);
      this.#leastWayMs = Math.min(this.#leastWayMs + drift, wayMs);
      this.#leastWaySinceMs = nowMs;
      queueMs = Math.min(roundTripMs, wayMs - this.#leastWayMs);
    }
    const unqueuedMs = Math.min(roundTripMs - queueMs, this.#leastRttMs + MAX_RETURN_QUEUES * this.#bounds.queueMs);
    // Slower down than up: two full directions, each of which waits for the other's queue, would begin to swing.
    this.#unqueuedMs += (unqueuedMs - this.#unqueuedMs) / (unqueuedMs > this.#unqueuedMs ? 4 : 16);
    this.#roundQueueMs = Math.min(this.#roundQueueMs, queueMs);
  }

  /** Finds out whether what an earlier carrier has told of the path is true of this one, which may have another. */
  #doubtPath(roundTripMs: number, wayMs: number, nowMs: number): void {
    const own = this.#own;
    if (own === null) return;
    own.leastRttMs = Math.min(own.leastRttMs, roundTripMs);
    own.leastWayMs = Math.min(own.leastWayMs, wayMs);
    if (nowMs < own.untilMs) return;
    this.#own = null;
    // That much our own queue explains.
    if (own.leastWayMs - this.#leastWayMs <= this.#bounds.queueMs + FULL_QUEUE_MS) return;
    this.#leastRttMs = own.leastRttMs;
    this.#leastWayMs = own.leastWayMs;
  }

  /** Everything that is not acknowledged, in order. */
  get items(): Item[] {
    return this.#entries.slice(this.#head).flatMap((entry) => entry.items);
  }

  /** Takes out everything that was not acknowledged, in order: the carrier is lost. */
  takeAll(): Item[] {
    const { items } = this;
    this.#entries = [];
    this.#head = 0;
    this.#inFlightBytes = 0;
    this.#isOver = true;
    return items;
  }
}
