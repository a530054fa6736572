import { hash, timingSafeEqual } from 'node:crypto';
import { MAX_COOKIE_BYTES } from './limits.ts';

/** In front of the flight: enough that nobody guesses one. */
const TAG_BYTES = 16;
const MAX_TEXT_CHARS: number = Math.ceil(((TAG_BYTES + MAX_COOKIE_BYTES) * 4) / 3);

/** What client and relay agree on. */
export interface CookieSecret {
  /** The cookie's name. */
  readonly name: string;
  /** 32 bytes in base64url. */
  readonly key: string;
}

/** Puts a first flight into a cookie: its value looks like a session's that a site has sealed, and is as fresh as the flight. */
export function writeCookie({ name, key }: CookieSecret, flight: Buffer): string {
  return `${name}=${Buffer.concat([tagOf(Buffer.from(key, 'base64url'), flight), flight]).toString('base64url')}`;
}

/** Reads the cookies of one listener. A stranger's request must not take longer than the site's own: little is done here, and no object made. */
export class CookieReader {
  readonly #prefix: string;
  readonly #key: Buffer;

  constructor({ name, key }: CookieSecret) {
    this.#prefix = `${name}=`;
    this.#key = Buffer.from(key, 'base64url');
  }

  /** The value of the cookie in a `Cookie` header; null where there is none that may be one of ours. */
  find(header: string | null): string | null {
    if (header === null) return null;
    for (let start = header.indexOf(this.#prefix); start !== -1; start = header.indexOf(this.#prefix, start + 1)) {
      if (start > 0 && header[start - 1] !== ' ' && header[start - 1] !== ';') continue;
      const end = header.indexOf(';', start);
      const value = header.slice(start + this.#prefix.length, end === -1 ? undefined : end);
      return value.length <= MAX_TEXT_CHARS ? value : null;
    }
    return null;
  }

  /** The flight in a value; null where it is none of ours. */
  open(value: string): Buffer | null {
    const bytes = Buffer.from(value, 'base64url');
    if (bytes.length <= TAG_BYTES) return null;
    const flight = bytes.subarray(TAG_BYTES);
    const isOurs = timingSafeEqual(bytes.subarray(0, TAG_BYTES), tagOf(this.#key, flight));
    return isOurs && bytes.toString('base64url') === value ? flight : null;
  }
}

/** Half of a hash, so that nothing can be put behind the flight (SHA-256 alone would let that be done); one call, where an HMAC is an object. */
function tagOf(key: Buffer, flight: Buffer): Buffer {
  return hash('sha256', Buffer.concat([key, flight]), 'buffer').subarray(0, TAG_BYTES);
}
