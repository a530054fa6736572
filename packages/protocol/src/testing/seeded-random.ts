import { createCipheriv } from 'node:crypto';

/** Random bytes that are the same in every run with the same seed: the keystream of AES-128-CTR. */
export function seededRandom(seed: number): (count: number) => Buffer {
  const key = Buffer.alloc(16);
  key.writeUInt32BE(seed);
  const cipher = createCipheriv('aes-128-ctr', key, Buffer.alloc(16));
  return (count) => cipher.update(Buffer.alloc(count));
}
