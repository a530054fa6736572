/** Where a padding length is drawn from. */
export interface PaddingBounds {
  /** A random number from 0 (inclusive) to 1 (exclusive). */
  readonly fraction: number;
  readonly minBytes: number;
  /** Inclusive. */
  readonly maxBytes: number;
}

/** A padding length, every value from `minBytes` to `maxBytes` being as likely as any other. */
export function drawPaddingBytes({ fraction, minBytes, maxBytes }: PaddingBounds): number {
  const count = maxBytes - minBytes + 1;
  return minBytes + Math.min(count - 1, Math.max(0, Math.floor(fraction * count)));
}
