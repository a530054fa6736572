// How long the flights that open a carrier are, and how long the relay's is awaited: different at each relay and channel, so that no
// one range of lengths, and no one delay, marks them all (docs/spec/wire.md §3.9).
import { deriveKey } from './keys.ts';

/** Where the padding of a flight is drawn from, in bytes, both ends inclusive. */
export interface PaddingRange {
  readonly minBytes: number;
  readonly maxBytes: number;
}

/** For a flight inside another, or in front of one: what is around it is padded. */
export const NO_PADDING: PaddingRange = { minBytes: 0, maxBytes: 0 };

/** What the flights of one relay and channel look like. */
export interface FlightShape {
  readonly client: PaddingRange;
  readonly relay: PaddingRange;
  /** Before it answers, the relay waits a random time below this, in milliseconds. */
  readonly answerDelayMs: number;
}

/** Where a range may lie, and how wide it is. */
interface RangeBounds {
  readonly mostBytes: number;
  readonly leastWidthBytes: number;
  readonly mostWidthBytes: number;
}

/** With any attach request of this version the client's flight still fits one ordinary TCP segment. */
const CLIENT_BOUNDS: RangeBounds = { mostBytes: 1200, leastWidthBytes: 300, mostWidthBytes: 700 };
/**
 * A relay's flight longer than some 600 bytes, behind a client's of some 650 and before a short burst, would look like an inner TLS handshake to nDPI
 * (docs/resistance.md).
 */
const RELAY_BOUNDS: RangeBounds = { mostBytes: 400, leastWidthBytes: 100, mostWidthBytes: 250 };
const MOST_ANSWER_DELAY_MS = 8;

/** A number from 0 (inclusive) to 1 (exclusive), of two bytes. */
function fractionAt(bytes: Buffer, index: number): number {
  return bytes.readUInt16BE(index * 2) / 0x1_0000;
}

function rangeOf(
  { mostBytes, leastWidthBytes, mostWidthBytes }: RangeBounds,
  width: number,
  place: number,
): PaddingRange {
  const widthBytes = leastWidthBytes + Math.floor(width * (mostWidthBytes - leastWidthBytes + 1));
  const minBytes = Math.floor(place * (mostBytes - widthBytes + 1));
  return { minBytes, maxBytes: minBytes + widthBytes };
}

/** The shape that both sides derive from the access secret (32 bytes): nothing about it has to be told. */
export function flightShapeOf(accessSecret: Buffer): FlightShape {
  const bytes = deriveKey(accessSecret, 'flight shape');
  return {
    client: rangeOf(CLIENT_BOUNDS, fractionAt(bytes, 0), fractionAt(bytes, 1)),
    relay: rangeOf(RELAY_BOUNDS, fractionAt(bytes, 2), fractionAt(bytes, 3)),
    answerDelayMs: fractionAt(bytes, 4) * MOST_ANSWER_DELAY_MS,
  };
}

/** A range that is left however much is taken away: a length that is always the same would be a mark. */
const LEAST_LEFT_BYTES = 100;

/** The padding of a flight that holds another flight, or comes with one, of `carriedBytes`: so much less (docs/spec/reroute.md §2). */
export function lessPadding({ minBytes, maxBytes }: PaddingRange, carriedBytes: number): PaddingRange {
  const left = Math.max(0, minBytes - carriedBytes);
  return { minBytes: left, maxBytes: Math.max(left + LEAST_LEFT_BYTES, maxBytes - carriedBytes) };
}
