import { type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { decodeBase64url, encodeBase64url } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';

/** 32 MiB and about a tenth of a second for each guess (RFC 7914; OWASP's second choice of numbers). */
const COST = { N: 32_768, r: 8, p: 3 } as const;
const MAX_MEMORY_BYTES = 64 * 1024 * 1024;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
const NAME = 'scrypt-32768-8-3';

function derive(password: string, salt: Buffer): Promise<Buffer> {
  const options: ScryptOptions = { ...COST, maxmem: MAX_MEMORY_BYTES };
  return new Promise((resolve, reject) => {
    scrypt(password.normalize('NFKC'), salt, HASH_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}

/** What is kept of a password: `scrypt-N-r-p.SALT.HASH`. */
export async function hashPassword(random: Random, password: string): Promise<string> {
  const salt = random.bytes(SALT_BYTES);
  return [NAME, encodeBase64url(salt), encodeBase64url(await derive(password, salt))].join('.');
}

/** Whether it is the password. Takes as long when nothing is kept of one (null), so that nobody learns which accounts there are. */
export async function isPassword(kept: string | null, password: string): Promise<boolean> {
  const [name, salt, hash] = (kept ?? '').split('.');
  if (name !== NAME || salt === undefined || hash === undefined) {
    await derive(password, Buffer.alloc(SALT_BYTES));
    return false;
  }
  return timingSafeEqual(await derive(password, decodeBase64url(salt)), decodeBase64url(hash));
}
