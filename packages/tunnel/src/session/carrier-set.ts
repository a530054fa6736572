import type { CarrierLedger, KnownPath } from '@rozan/protocol';
import { MAX_BOND_CARRIERS, MAX_CLIENT_CARRIERS, MAX_GONE_CARRIERS, MAX_SESSION_CARRIERS } from '../limits.ts';
import type { Carrier } from './carrier.ts';
import { soonest } from './schedule.ts';
import type { SentItem } from './sent-item.ts';
import type { SessionOptions } from './session-options.ts';

/** A carrier on which nothing has come for so much longer than on others is not trusted with what everything waits for. */
const LATELY_MS = 50;

/** Those carriers on which something has come lately; acknowledgements that are put on a silent one would hold up all others. */
export function lately(carriers: readonly Carrier[]): readonly Carrier[] {
  if (carriers.length < 2) return carriers;
  const latestMs = Math.max(...carriers.map(({ lastReceivedMs }) => lastReceivedMs));
  return carriers.filter(({ lastReceivedMs }) => latestMs - lastReceivedMs <= LATELY_MS);
}

/** The carriers of one session: those alive, those lost whose last acknowledgement is awaited (what they were given), and what the peer may still ask of them. */
export class CarrierSet {
  readonly #alive = new Map<number, Carrier>();
  readonly #gone = new Map<number, CarrierLedger<SentItem>>();
  /** Records received on carriers that are no more; the oldest are forgotten. */
  readonly #received = new Map<number, number>();
  readonly #requeue: (item: SentItem) => void;
  #formerPath: KnownPath = { rate: 0, returnQueueMs: 0 };
  #width = 1;

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

  /** Sets how many carriers are to be in use at once. */
  bond(carriers: number): void {
    this.#width = Math.min(MAX_BOND_CARRIERS, Math.max(1, carriers));
  }

  /** Whether there is one that takes data. */
  get isUsable(): boolean {
    for (const carrier of this.#alive.values()) if (carrier.usable) return true;
    return false;
  }

  /** The carriers in use, the newest last: as many of the newest usable ones as the width says; a suspect one only when there is no other. */
  get inUse(): Carrier[] {
    const usable = this.alive.filter((carrier) => carrier.usable);
    if (usable.length === 1) return usable;
    const trusted = usable.filter((carrier) => !carrier.suspect);
    return trusted.length > 0 ? trusted.slice(-this.#width) : usable.slice(-1);
  }

  /** Bytes that stand in the way of what is sent over each of `inUse`: on their way on others from which they take over. */
  bytesBefore(inUse: readonly Carrier[]): number {
    if (this.#alive.size === inUse.length) return 0;
    let bytes = 0;
    for (const other of this.#alive.values()) {
      if (!other.suspect && !inUse.includes(other)) bytes += other.ledger.inFlightBytes;
    }
    return bytes / inUse.length;
  }

  /** The carriers that have received something without acknowledging it. */
  get owing(): Carrier[] {
    const owing: Carrier[] = [];
    for (const carrier of this.#alive.values()) if (carrier.owesAck) owing.push(carrier);
    return owing;
  }

  /** The longest smoothed round trip of the carriers in use, in milliseconds. */
  get roundTripMs(): number {
    return Math.max(0, ...this.inUse.map(({ ledger }) => ledger.smoothedRttMs));
  }

  /** What the session knows of its path, for a new carrier to start from. */
  get knownPath(): KnownPath {
    const { inUse } = this;
    const ledger = inUse.at(-1)?.ledger;
    if (ledger === undefined) return this.#formerPath;
    // The new one begins behind what the other has on its way, so by itself it would not see the path without a queue.
    const { rate, returnQueueMs, leastRttMs, leastWayMs } = ledger;
    // One that takes nobody's place gets a share: the line may be what limits all of them together.
    const share = inUse.length < this.#width ? 1 / (inUse.length + 1) : 1;
    return { rate: rate * share, returnQueueMs, leastRttMs, leastWayMs };
  }

  mayAdd(carrierId: number): boolean {
    return !(this.#alive.has(carrierId) || this.#gone.has(carrierId) || this.#received.has(carrierId));
  }

  /** The carrier that has to go before one more is added: of those that were let go, or else of all, the one silent for longest. Null while there is room. */
  crowdedOut(role: SessionOptions['role']): Carrier | null {
    if (this.#alive.size < (role === 'relay' ? MAX_SESSION_CARRIERS : MAX_CLIENT_CARRIERS)) return null;
    const leaving = this.alive.filter(({ retired }) => retired);
    const from = leaving.length > 0 ? leaving : this.alive;
    return from.reduce((most, carrier) => (carrier.lastReceivedMs < most.lastReceivedMs ? carrier : most));
  }

  add(carrier: Carrier): void {
    this.#alive.set(carrier.id, carrier);
  }

  /** The carrier that a frame without bytes gets through on soonest; null when there is none. */
  pick(): Carrier | null {
    return soonest(lately(this.inUse), 0);
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
