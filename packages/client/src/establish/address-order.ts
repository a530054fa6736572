import type { Clock } from '@rozan/tunnel';

/** For so long an address that did not answer stands behind the others. */
const FAILED_MS = 30_000;
/** For so long one at which a connection fell silent does. */
const SILENT_MS = 60_000;

/** For so long one is remembered at which a carrier has died. */
const DIED_MS = 3_600_000;

/** A connection, as far as it is counted. */
export interface CountedConn {
  once(event: 'linger' | 'close', listener: () => void): unknown;
  destroy(): unknown;
}

interface Place {
  /** Connections that are being made. */
  dialling: number;
  readonly open: Set<CountedConn>;
  /** Those of them that have been given up and only take their leave, the oldest first. */
  readonly lingering: Set<CountedConn>;
  failedAtMs: number;
  silentAtMs: number;
  diedAtMs: number;
  workedAtMs: number;
}

/** What the order of addresses rests on beside what has become of them; asked each time. */
export interface AddressOrderOptions<Address> {
  /** Whether several carriers are wanted at once. */
  readonly spread: () => boolean;
  /** Connections that one address gets if any other has room. */
  readonly perAddress: () => number;
  /** Whether an address should come behind all others that have room. */
  readonly isAvoided?: (address: Address) => boolean;
  /** Whether somebody counts what connections carry: then those addresses come first at which no carrier has died. */
  readonly isCounted?: () => boolean;
  /** Between those that are equal otherwise the lower comes first. */
  readonly place?: (address: Address) => number;
}

/**
 * In which order the addresses of a relay are tried: those first that have neither failed nor fallen silent of late; among them the one that worked last, or,
 * where several carriers are wanted at once, the one with the fewest connections; those that have as many as they may have last of all.
 */
export class AddressOrder<Address> {
  readonly #clock: Clock;
  readonly #places: Map<Address, Place>;
  readonly #options: AddressOrderOptions<Address>;

  constructor(clock: Clock, addresses: readonly Address[], options: AddressOrderOptions<Address>) {
    this.#clock = clock;
    this.#options = options;
    this.#places = new Map(
      addresses.map((address) => [
        address,
        {
          dialling: 0,
          open: new Set<CountedConn>(),
          lingering: new Set<CountedConn>(),
          failedAtMs: Number.NEGATIVE_INFINITY,
          silentAtMs: Number.NEGATIVE_INFINITY,
          diedAtMs: Number.NEGATIVE_INFINITY,
          workedAtMs: Number.NEGATIVE_INFINITY,
        },
      ]),
    );
  }

  /** How many addresses there are. */
  get size(): number {
    return this.#places.size;
  }

  /** All addresses, the ones to be tried first in front. */
  get(): Address[] {
    const nowMs = this.#clock.monotonicMs();
    const { spread, perAddress, isAvoided, place: placeOf } = this.#options;
    const [isSpread, most, isCounted] = [spread(), perAddress(), this.#options.isCounted?.() ?? false];
    const rank = (address: Address, place: Place): readonly number[] => {
      const { open, failedAtMs, silentAtMs, workedAtMs } = place;
      return [
        open.size >= most ? 1 : 0,
        isAvoided?.(address) ? 1 : 0,
        nowMs - failedAtMs < FAILED_MS ? 1 : 0,
        isCounted && !this.isSpared(address) ? 1 : 0,
        // Of those that all have fallen silent, the one comes first at which that was longest ago.
        nowMs - silentAtMs < SILENT_MS ? silentAtMs : Number.NEGATIVE_INFINITY,
        isSpread ? open.size : 0,
        -workedAtMs,
        placeOf?.(address) ?? 0,
      ];
    };
    const ranked = [...this.#places].map(([address, place]) => ({ address, rank: rank(address, place) }));
    // Sorting is stable, so the entry's own order decides between equals.
    ranked.sort((a, b) => compare(a.rank, b.rank));
    return ranked.map(({ address }) => address);
  }

  /** A connection to the address became a carrier. */
  noteWorked(address: Address, conn: CountedConn): void {
    const place = this.#places.get(address);
    if (place === undefined) return;
    place.workedAtMs = this.#clock.monotonicMs();
    place.failedAtMs = Number.NEGATIVE_INFINITY;
    place.open.add(conn);
    conn.once('linger', () => place.lingering.add(conn));
    conn.once('close', () => {
      place.open.delete(conn);
      place.lingering.delete(conn);
    });
  }

  /**
   * Takes a place for a connection to the address that is about to be made; null when there are `most` without those that only linger, which are
   * closed to make room. The function that it returns gives the place back: when there is no connection, or when it has been noted.
   */
  enter(address: Address, most: number): (() => void) | null {
    const place = this.#places.get(address);
    if (place === undefined) return () => {};
    const surplus = place.open.size + place.dialling + 1 - most;
    if (surplus > place.lingering.size) return null;
    for (const conn of [...place.lingering].slice(0, Math.max(0, surplus))) {
      place.open.delete(conn);
      place.lingering.delete(conn);
      conn.destroy();
    }
    place.dialling += 1;
    return () => {
      place.dialling -= 1;
    };
  }

  /** A connection to the address is silent though bytes are awaited. */
  noteSilent(address: Address): void {
    const place = this.#places.get(address);
    if (place !== undefined) place.silentAtMs = this.#clock.monotonicMs();
  }

  /** A carrier by the address has come to an end that nobody of ours had wanted. */
  noteDied(address: Address): void {
    const place = this.#places.get(address);
    if (place !== undefined) place.diedAtMs = this.#clock.monotonicMs();
  }

  /** Whether no carrier by the address has died of late. */
  isSpared(address: Address): boolean {
    const diedAtMs = this.#places.get(address)?.diedAtMs ?? Number.NEGATIVE_INFINITY;
    return this.#clock.monotonicMs() - diedAtMs >= DIED_MS;
  }

  /** The address did not answer, or later than another that was asked after it. */
  noteFailed(address: Address): void {
    const place = this.#places.get(address);
    if (place !== undefined) place.failedAtMs = this.#clock.monotonicMs();
  }
}

/** By the first place in which they differ. Infinities of one sign are equal. */
function compare(a: readonly number[], b: readonly number[]): number {
  for (const [index, value] of a.entries()) {
    const other = b[index] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}
