// The sizes of a carrier's first bursts. A TLS handshake inside a stream shows by them: nDPI (docs/resistance.md) adds up four bursts, client
// first, within 25 packets, and compares the sums with those of browsers. All its models are about a first burst of some 30 to 500 bytes with a
// third as small, or of 517 to 3,000 bytes. So bursts of the client are padded to lie between or above these, until its 25 packets are over.
import type { Random } from '../env.ts';
import type { Carrier } from './carrier.ts';

/** Packets of a carrier that are shaped; those of its handshake, some four, are not counted. nDPI looks at 25. */
const SHAPED_PACKETS = 28;
const PACKET_BYTES = 1448;

/** A small burst is padded to a length of this range. */
const SMALL_BURST = { leastBytes: 425, mostBytes: 480 } as const;
/** Any other is padded to a length of this one, or is longer by itself. */
const LARGE_BURST = { leastBytes: 3200, mostBytes: 3800 } as const;
/** What a record has beside its plaintext. */
const SEALED_BYTES = 34;
/** With less left to send, a carrier is not made to spend its budget on padding. */
const LEAST_BUDGET_BYTES = 24 * 1024;

/** What counts of a carrier. */
type ShapedCarrier = Pick<Carrier, 'bytesReceived' | 'bytesSent' | 'sendBudgetBytes'>;

/** How a record is padded. */
interface Padding {
  /** Bytes inside the record; null where any will do. */
  readonly inside: number | null;
  /** Bytes in a record of their own behind it, which delays nothing that is in it. */
  readonly behind: number;
}

/** Nothing is asked of the record. */
export const UNSHAPED: Padding = { inside: null, behind: 0 };

/** How far a carrier has come. */
interface Shape {
  packets: number;
  burstBytes: number;
  receivedBytes: number;
}

/** Tells how the records of a client's carriers are to be padded. */
export class EarlyShaper {
  readonly #random: Random;
  readonly #shapes = new WeakMap<ShapedCarrier, Shape>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** What to do with a record of `plainBytes` of frames that is about to be sent. */
  shape(carrier: ShapedCarrier, plainBytes: number): Padding {
    const shape = this.#shapes.get(carrier) ?? { packets: 0, burstBytes: 0, receivedBytes: 0 };
    if (shape.packets > SHAPED_PACKETS) return UNSHAPED;
    this.#shapes.set(carrier, shape);
    const freshBytes = carrier.bytesReceived - shape.receivedBytes;
    if (freshBytes > 0) {
      shape.packets += Math.ceil(freshBytes / PACKET_BYTES);
      shape.receivedBytes = carrier.bytesReceived;
      shape.burstBytes = 0;
    }
    const recordBytes = plainBytes + SEALED_BYTES;
    const padding = this.#choose(shape.burstBytes + recordBytes, carrier.sendBudgetBytes - carrier.bytesSent);
    const sentBytes = recordBytes + (padding.inside ?? 0) + (padding.behind === 0 ? 0 : padding.behind + SEALED_BYTES);
    shape.burstBytes += sentBytes;
    shape.packets += Math.ceil(sentBytes / PACKET_BYTES);
    return padding;
  }

  #choose(burstBytes: number, budgetBytes: number): Padding {
    const { leastBytes, mostBytes } = SMALL_BURST;
    if (burstBytes <= mostBytes) {
      return { inside: burstBytes >= leastBytes ? 0 : this.#draw(SMALL_BURST) - burstBytes, behind: 0 };
    }
    if (burstBytes >= LARGE_BURST.leastBytes || budgetBytes < LEAST_BUDGET_BYTES) return UNSHAPED;
    return { inside: null, behind: this.#draw(LARGE_BURST) - burstBytes };
  }

  #draw({ leastBytes, mostBytes }: { readonly leastBytes: number; readonly mostBytes: number }): number {
    return leastBytes + Math.floor(this.#random.fraction() * (mostBytes - leastBytes + 1));
  }
}
