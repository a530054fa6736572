import type { CarrierLedger, KnownPath } from '@rozan/protocol';
import { MAX_GONE_CARRIERS, MAX_SESSION_CARRIERS } from '../limits.ts';
import type { Carrier } from './carrier.ts';
import type { SentItem } from './sent-item.ts';

/** The carriers of one session: those alive, those lost whose last acknowledgement is awaited (what they were given), and what the peer may still ask of them. */
export class CarrierSet {
  readonly #alive = new Map<number, Carrier>();
  readonly #gone = new Map<number, CarrierLedger<SentItem>>();
  /** Records received on carriers that are no more; the oldest are forgotten. */
  readonly #received = new Map<number, number>();
  readonly #requeue: (item: SentItem) => void;
  #formerPath: KnownPath = { rate: 0, returnQueueMs: 0 };

  constructor(requeue: (item: SentItem) => void) {
    this.#requeue = requeue;
  }

  get alive(): readonly Carrier[] {
    return [...this.#alive.values()];
  }

  get(carrierId: number): Carrier | null {
    return this.#alive.get(carrierId) ?? null;
  }

  /** Bytes on their way on any carrier, lost ones included. */
  get inFlightBytes(): number {
    let bytes = 0;
    for (const carrier of this.#alive.values()) bytes += carrier.ledger.inFlightBytes;
    for (const ledger of this.#gone.values()) bytes += ledger.inFlightBytes;
    return bytes;
  }

  /** Bytes that stand in the way of what is sent over this carrier: on their way on others from which it takes over. */
  bytesBefore(carrier: Carrier): number {
    let bytes = 0;
    for (const other of this.#alive.values()) {
      if (other !== carrier && !other.suspect) bytes += other.ledger.inFlightBytes;
    }
    return bytes;
  }

  /** The carriers that have received something without acknowledging it. */
  get owing(): Carrier[] {
    const owing: Carrier[] = [];
    for (const carrier of this.#alive.values()) if (carrier.owesAck) owing.push(carrier);
    return owing;
  }

  /** The smoothed round trip of the carrier in use, in milliseconds. */
  get roundTripMs(): number {
    return this.pick()?.ledger.smoothedRttMs ?? 0;
  }

  /** What the session knows of its path, for a new carrier to start from. */
  get knownPath(): KnownPath {
    const ledger = this.pick()?.ledger;
    if (ledger === undefined) return this.#formerPath;
    // The new one begins behind what the other has on its way, so by itself it would not see the path without a queue.
    const { rate, returnQueueMs, leastRttMs, leastWayMs } = ledger;
    return { rate, returnQueueMs, leastRttMs, leastWayMs };
  }

  mayAdd(carrierId: number): boolean {
    return !(this.#alive.has(carrierId) || this.#gone.has(carrierId) || this.#received.has(carrierId));
  }

  /** The carrier that has to go before one more is added: the one that has been silent for longest. Null while there is room. */
  crowdedOut(): Carrier | null {
    if (this.#alive.size < MAX_SESSION_CARRIERS) return null;
    return this.alive.reduce((most, carrier) => (carrier.lastReceivedMs < most.lastReceivedMs ? carrier : most));
  }

  add(carrier: Carrier): void {
    this.#alive.set(carrier.id, carrier);
  }

  /** The carrier that new frames go over: the newest that is usable, a suspect one only when there is no other. */
  pick(): Carrier | null {
    let picked: Carrier | null = null;
    for (const carrier of this.#alive.values()) {
      if (!carrier.usable) continue;
      if (picked === null || picked.suspect || !carrier.suspect) picked = carrier;
    }
    return picked;
  }

  /** Notes an acknowledgement; returns what it covers. Of a lost carrier it is the last word: the rest is sent again. */
  acknowledge(carrierId: number, records: number, nowMs: number): SentItem[] {
    const alive = this.#alive.get(carrierId);
    if (alive !== undefined) return alive.ledger.acknowledge(records, nowMs);
    const gone = this.#gone.get(carrierId);
    if (gone === undefined) return [];
    const items = gone.acknowledge(records, nowMs);
    this.#sendAgain(carrierId, gone);
    return items;
  }

  #sendAgain(carrierId: number, gone: CarrierLedger<SentItem>): void {
    this.#gone.delete(carrierId);
    for (const item of gone.takeAll()) if (item.stream !== null) this.#requeue(item);
  }

  /** How many records came on a carrier that is alive or was. */
  recordsReceived(carrierId: number): number {
    return this.#alive.get(carrierId)?.receivedRecords ?? this.#received.get(carrierId) ?? 0;
  }

  /** Takes out a carrier that both sides have let go. */
  drop(carrier: Carrier): void {
    this.#alive.delete(carrier.id);
    const { rate, returnQueueMs } = carrier.ledger;
    if (rate > 0) this.#formerPath = { rate, returnQueueMs };
    this.#received.set(carrier.id, carrier.receivedRecords);
    for (const oldest of this.#received.keys()) {
      if (this.#received.size <= MAX_GONE_CARRIERS) break;
      this.#received.delete(oldest);
    }
  }

  /** Takes out a lost carrier; true when the peer has to be asked what arrived on it. */
  lose(carrier: Carrier): boolean {
    if (!this.#alive.has(carrier.id)) return false;
    this.drop(carrier);
    // It may have carried acknowledgements for the others.
    for (const other of this.#alive.values()) other.oweAgain();
    if (carrier.peerRetired && !carrier.ledger.outstanding) return false;
    const [oldest] = this.#gone;
    // To take bytes twice costs the peer nothing; to wait for its word for ever would cost us memory.
    if (oldest !== undefined && this.#gone.size >= MAX_GONE_CARRIERS) this.#sendAgain(...oldest);
    this.#gone.set(carrier.id, carrier.ledger);
    // Frames without bytes go again at once: the word of one carrier's loss must not wait for the word of another's.
    for (const item of carrier.ledger.items) if (item.stream === null) this.#requeue(item);
    return true;
  }

  clear(): void {
    this.#alive.clear();
    this.#gone.clear();
  }
}
