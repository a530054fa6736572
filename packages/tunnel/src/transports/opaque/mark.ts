import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Random } from '../../env.ts';

/** Bytes of a listener's key. */
export const MARK_KEY_BYTES = 32;

const NONCE_BYTES = 12;
const TAG_BYTES = 12;
/** Bytes of a mark that stands for itself. */
export const MARK_BYTES: number = NONCE_BYTES + TAG_BYTES;

/** A tag by which whoever holds the key shows it. `about`: what the tag is bound to. Uniform to everyone else. */
export function tagOf(key: Buffer, about: Buffer, bytes: number): Buffer {
  return createHmac('sha256', key).update(about).digest().subarray(0, bytes);
}

/** Whether a tag is right, in constant time. */
export function tagFits(key: Buffer, about: Buffer, tag: Buffer): boolean {
  return timingSafeEqual(tagOf(key, about, tag.length), tag);
}

/** A fresh mark. */
export function makeMark(key: Buffer, random: Random): Buffer {
  const nonce = random.bytes(NONCE_BYTES);
  return Buffer.concat([nonce, tagOf(key, nonce, TAG_BYTES)]);
}

/** Whether a mark of `MARK_BYTES` was made with the key. */
export function markFits(key: Buffer, mark: Buffer): boolean {
  return mark.length === MARK_BYTES && tagFits(key, mark.subarray(0, NONCE_BYTES), mark.subarray(NONCE_BYTES));
}
