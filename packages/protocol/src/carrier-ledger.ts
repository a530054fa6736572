/** What limits a carrier's bytes in flight. */
export interface LedgerBounds {
  /** In flight before anything is known of the carrier. */
  readonly initialBytes: number;
  /** In flight at least, however slow the carrier is. */
  readonly minBytes: number;
  /** In flight at most. */
  readonly maxBytes: number;
}

interface Entry<Item> {
  readonly record: number;
  readonly bytes: number;
  readonly sentMs: number;
  /** Bytes acknowledged, and when the last of them were, at the time of sending: the start of this entry's rate sample. */
  readonly deliveredBytes: number;
  readonly deliveredMs: number;
  /** Whether the sender had nothing more to send, so that the sample says little about the carrier. */
  readonly idle: boolean;
  readonly items: readonly Item[];
}

/** Time allowed in queues beside the path's own round trip: enough to bridge delayed acknowledgements and timer noise. */
const QUEUE_MS = 100;
/**
 * A rate is remembered for this long at least, and for ten of the least round trips. (Smoothed ones grow with the queue that a rate from
 * before a throttle fills, and would keep that rate, and so the queue, for ever.)
 */
const RATE_MEMORY_MS = 2000;
const MIN_RATE_SAMPLE_MS = 1;

/**
 * What one carrier has been given and not yet acknowledged, and what its acknowledgements tell of the path: round trip, delivery rate and
 * so how many bytes may be in flight. Kernel buffers hold minutes at 64 kbit/s, so the limit is what keeps a slow carrier responsive, and
 * what bounds the loss when it is cut. The rate is measured as in BBR (Cardwell et al. 2016): bytes delivered between an entry's sending
 * and its acknowledgement. The limit is twice rate × (least round trip + `QUEUE_MS`), which doubles each round trip until the rate stops
 * growing. Pure: times are arguments, in milliseconds of a monotonic clock.
 */
export class CarrierLedger<Item> {
  readonly #bounds: LedgerBounds;
  #entries: Entry<Item>[] = [];
  #head = 0;
  #inFlightBytes = 0;
  #deliveredBytes = 0;
  #deliveredMs: number;
  #smoothedRttMs: number;
  #leastRttMs: number;
  #rate = 0;
  #formerRate = 0;
  #rateSinceMs: number;

  /**
   * @param roundTripMs what the handshake took
   * @param rate bytes per millisecond known from an earlier carrier of the session, or 0
   */
  constructor(bounds: LedgerBounds, start: { nowMs: number; roundTripMs: number; rate: number }) {
    this.#bounds = bounds;
    this.#deliveredMs = start.nowMs;
    this.#rateSinceMs = start.nowMs;
    this.#smoothedRttMs = start.roundTripMs;
    this.#leastRttMs = start.roundTripMs;
    this.#formerRate = start.rate;
  }

  /** Sets what is known of the round trip from outside, before anything was sent. */
  seedRoundTrip(roundTripMs: number): void {
    this.#smoothedRttMs = roundTripMs;
    this.#leastRttMs = roundTripMs;
  }

  /** Bytes sent and not acknowledged. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
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

  /** How many bytes may be in flight. */
  get windowBytes(): number {
    const { rate } = this;
    if (rate === 0) return this.#bounds.initialBytes;
    const bytes = 2 * rate * (this.#leastRttMs + QUEUE_MS);
    return Math.min(this.#bounds.maxBytes, Math.max(this.#bounds.minBytes, bytes));
  }

  /** Notes a record that asks for an acknowledgement, with what it carries. `idle`: there was nothing more to send. */
  sent(record: number, entry: { bytes: number; idle: boolean; items: readonly Item[] }, nowMs: number): void {
    if (!this.outstanding) this.#deliveredMs = nowMs;
    this.#entries.push({
      ...entry,
      record,
      sentMs: nowMs,
      deliveredBytes: this.#deliveredBytes,
      deliveredMs: this.#deliveredMs,
    });
    this.#inFlightBytes += entry.bytes;
  }

  /** The peer has received the carrier's first `records` records; returns what they carried, in order. */
  acknowledge(records: number, nowMs: number): Item[] {
    const items: Item[] = [];
    let last: Entry<Item> | undefined;
    for (;;) {
      const entry = this.#entries[this.#head];
      if (entry === undefined || entry.record >= records) break;
      this.#head += 1;
      this.#inFlightBytes -= entry.bytes;
      this.#deliveredBytes += entry.bytes;
      last = entry;
      items.push(...entry.items);
    }
    if (last === undefined) return items;
    if (this.#head > 256 || this.#head === this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
    this.#measure(last, nowMs);
    return items;
  }

  #measure(entry: Entry<Item>, nowMs: number): void {
    const roundTripMs = nowMs - entry.sentMs;
    this.#smoothedRttMs += (roundTripMs - this.#smoothedRttMs) / 8;
    this.#leastRttMs = Math.min(this.#leastRttMs, roundTripMs);
    this.#deliveredMs = nowMs;
    const sampleMs = Math.max(MIN_RATE_SAMPLE_MS, nowMs - entry.deliveredMs);
    const sample = (this.#deliveredBytes - entry.deliveredBytes) / sampleMs;
    if (sample > this.#rate) this.#rate = sample;
    if (entry.idle || nowMs - this.#rateSinceMs < Math.max(RATE_MEMORY_MS, 10 * this.#leastRttMs)) return;
    this.#formerRate = this.#rate;
    this.#rate = sample;
    this.#rateSinceMs = nowMs;
  }

  /** Takes out everything that was not acknowledged, in order: the carrier is lost. */
  takeAll(): Item[] {
    const items = this.#entries.slice(this.#head).flatMap((entry) => entry.items);
    this.#entries = [];
    this.#head = 0;
    this.#inFlightBytes = 0;
    return items;
  }
}
