import type { DatagramDrops } from '@rozan/tunnel';

/** Why a datagram was dropped. */
export type DropReason =
  /** The egress guard refuses its destination. */
  | 'forbidden'
  /** Its destination's name was not found, or not in time. */
  | 'unresolved'
  /** Its target cannot be read. */
  | 'malformed'
  /** A cap of the relay on flows, sockets or look-ups. */
  | 'busy'
  /** The flow's source speaks to too many new addresses. */
  | 'scanning'
  /** Too much was sent to an address that has never answered. */
  | 'unanswered'
  /** It came from an address to which the flow has not sent. */
  | 'unasked'
  /** The system did not take it. */
  | 'unsendable'
  /** On the way to the client: the session had no room for it. */
  | 'full'
  /** On the way to the client: no carrier took it in time. */
  | 'stale';

/** Counts what happens to datagrams; see metrics/. */
export interface DatagramCounters {
  flowOpened(): void;
  flowClosed(): void;
  datagramsMoved(direction: 'up' | 'down', sum: { readonly datagrams: number; readonly bytes: number }): void;
  datagramsDropped(reason: DropReason, datagrams: number): void;
}

/** Adds up what happens to single datagrams, and hands on the sums now and then. */
export class DatagramTally {
  /** What sessions drop on the way to the client counts here by itself. */
  readonly sessionDrops: DatagramDrops = { full: 0, stale: 0 };
  readonly #counters: DatagramCounters;
  readonly #dropped = new Map<DropReason, number>();
  #moved = { up: { datagrams: 0, bytes: 0 }, down: { datagrams: 0, bytes: 0 } };

  constructor(counters: DatagramCounters) {
    this.#counters = counters;
  }

  flowOpened(): void {
    this.#counters.flowOpened();
  }

  flowClosed(): void {
    this.#counters.flowClosed();
  }

  moved(direction: 'up' | 'down', bytes: number): void {
    const sum = this.#moved[direction];
    sum.datagrams += 1;
    sum.bytes += bytes;
  }

  dropped(reason: DropReason, datagrams = 1): void {
    this.#dropped.set(reason, (this.#dropped.get(reason) ?? 0) + datagrams);
  }

  /** Hands on what has come together. */
  flush(): void {
    const { full, stale } = this.sessionDrops;
    if (full > 0) this.dropped('full', full);
    if (stale > 0) this.dropped('stale', stale);
    Object.assign(this.sessionDrops, { full: 0, stale: 0 });
    for (const [reason, datagrams] of this.#dropped) this.#counters.datagramsDropped(reason, datagrams);
    this.#dropped.clear();
    for (const direction of ['up', 'down'] as const) {
      if (this.#moved[direction].datagrams > 0) this.#counters.datagramsMoved(direction, this.#moved[direction]);
    }
    this.#moved = { up: { datagrams: 0, bytes: 0 }, down: { datagrams: 0, bytes: 0 } };
  }
}
