import { CarrierLedger, type KnownPath, type LedgerBounds } from '../carrier-ledger.ts';

/** A path in a simulation: a link behind a queue without end, and a receiver that acknowledges. */
export interface LinkOptions {
  readonly bounds: LedgerBounds;
  /** Bytes per millisecond that the link carries at a time. */
  readonly rateAt: (nowMs: number) => number;
  /** Time from one end to the other, without queue and transmission. */
  readonly delayMs: number;
  readonly recordBytes: number;
  /** The receiver acknowledges after so many records, or so long after the first. */
  readonly ackRecords: number;
  readonly ackDelayMs: number;
  /** So long acknowledgements stand in a queue on their way, which is full of what the receiver itself sends; default 0. */
  readonly returnQueueMs?: number | undefined;
  /** What an earlier carrier has told of the path, its way by the receiver's clock. */
  readonly known?: KnownPath;
}

/** What a simulation has seen at a moment. */
export interface LinkState {
  readonly nowMs: number;
  readonly deliveredBytes: number;
  readonly queueBytes: number;
  readonly windowBytes: number;
}

/** The receiver's clock is ahead by this. */
export const CLOCK_OFFSET_MS = 12_345;

/** A sender with always more to send, a `CarrierLedger`, and a link: time goes by in steps of one millisecond, the same in every run. */
export class SimulatedLink {
  readonly ledger: CarrierLedger<number>;
  readonly #options: LinkOptions;
  #nowMs = 0;
  #nextRecord = 0;
  #queue: { record: number; leftBytes: number }[] = [];
  readonly #arriving: { atMs: number; record: number }[] = [];
  readonly #acks: { atMs: number; records: number; arrivedMs: number }[] = [];
  #receivedRecords = 0;
  #ackedRecords = 0;
  #unackedSinceMs: number | null = null;
  #arrivedMs = 0;
  #deliveredBytes = 0;
  #credit = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    const { bounds, delayMs, known } = options;
    this.ledger = new CarrierLedger<number>(bounds, { rate: 0, ...known, nowMs: 0, roundTripMs: 2 * delayMs });
  }

  /** Lets time go by and gives the state after each millisecond. */
  run(durationMs: number, look: (state: LinkState) => void = () => {}): void {
    for (const endMs = this.#nowMs + durationMs; this.#nowMs < endMs; this.#nowMs += 1) {
      this.#acknowledge();
      this.#send();
      this.#carry();
      this.#receive();
      const queueBytes = this.#queue.reduce((sum, { leftBytes }) => sum + leftBytes, 0);
      const { windowBytes } = this.ledger;
      look({ nowMs: this.#nowMs, deliveredBytes: this.#deliveredBytes, queueBytes, windowBytes });
    }
  }

  #acknowledge(): void {
    for (let ack = this.#acks[0]; ack !== undefined && ack.atMs <= this.#nowMs; ack = this.#acks[0]) {
      this.#acks.shift();
      this.ledger.noteArrival(ack.arrivedMs);
      this.ledger.acknowledge(ack.records, this.#nowMs);
    }
  }

  #send(): void {
    const { recordBytes } = this.#options;
    while (this.ledger.inFlightBytes < this.ledger.windowBytes) {
      const record = this.#nextRecord;
      this.#nextRecord += 1;
      this.ledger.sent(record, { bytes: recordBytes, idle: false, items: [record] }, this.#nowMs);
      this.#queue.push({ record, leftBytes: recordBytes });
    }
  }

  #carry(): void {
    const { rateAt, delayMs } = this.#options;
    this.#credit = this.#queue.length === 0 ? 0 : this.#credit + rateAt(this.#nowMs);
    for (let head = this.#queue[0]; head !== undefined && this.#credit > 0; head = this.#queue[0]) {
      const bytes = Math.min(head.leftBytes, this.#credit);
      head.leftBytes -= bytes;
      this.#credit -= bytes;
      if (head.leftBytes > 0) return;
      this.#queue.shift();
      this.#arriving.push({ atMs: this.#nowMs + delayMs, record: head.record });
    }
  }

  #receive(): void {
    const { recordBytes, ackRecords, ackDelayMs, delayMs, returnQueueMs = 0 } = this.#options;
    while ((this.#arriving[0]?.atMs ?? Number.POSITIVE_INFINITY) <= this.#nowMs) {
      this.#arriving.shift();
      this.#receivedRecords += 1;
      this.#deliveredBytes += recordBytes;
      this.#unackedSinceMs ??= this.#nowMs;
      this.#arrivedMs = this.#nowMs + CLOCK_OFFSET_MS;
    }
    if (this.#unackedSinceMs === null) return;
    const isDue = this.#nowMs - this.#unackedSinceMs >= ackDelayMs;
    if (!isDue && this.#receivedRecords - this.#ackedRecords < ackRecords) return;
    this.#acks.push({
      atMs: this.#nowMs + delayMs + returnQueueMs,
      records: this.#receivedRecords,
      arrivedMs: this.#arrivedMs,
    });
    this.#ackedRecords = this.#receivedRecords;
    this.#unackedSinceMs = null;
  }
}
