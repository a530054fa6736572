import { createCipheriv, createHash } from 'node:crypto';
import type { Random } from '@rozan/tunnel';

const FRACTION_BYTES = 4;

/** Randomness that is the same for the same seed: a censor that samples does so alike in every run. */
export function createSeededRandom(seed: number): Random {
  const key = createHash('sha256').update(String(seed)).digest().subarray(0, 16);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  const bytes = (count: number) => cipher.update(Buffer.alloc(count));
  return { bytes, fraction: () => bytes(FRACTION_BYTES).readUInt32BE(0) / 2 ** 32 };
}
