import { createHmac, timingSafeEqual } from 'node:crypto';
import { MAX_COOKIE_BYTES } from './limits.ts';

/** In front of the flight: enough that nobody guesses one. */
const TAG_BYTES = 16;

/** What client and relay agree on. */
export interface CookieSecret {
  /** The cookie's name. */
  readonly name: string;
  /** 32 bytes in base64url. */
  readonly key: string;
}

/** Puts a first flight into a cookie: its value looks like a session's that a site has sealed, and is as fresh as the flight. */
export function writeCookie({ name, key }: CookieSecret, flight: Buffer): string {
  return `${name}=${Buffer.concat([tagOf(key, flight), flight]).toString('base64url')}`;
}

/** Finds the flight in a `Cookie` header; null where there is none of ours. */
export function readCookie({ name, key }: CookieSecret, header: string | undefined): Buffer | null {
  const prefix = `${name}=`;
  const cookie = header?.split(/; */).find((each) => each.startsWith(prefix));
  const text = cookie?.slice(prefix.length);
  if (text === undefined || text.length > Math.ceil(((TAG_BYTES + MAX_COOKIE_BYTES) * 4) / 3)) return null;
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length <= TAG_BYTES || bytes.toString('base64url') !== text) return null;
  const flight = bytes.subarray(TAG_BYTES);
  return timingSafeEqual(bytes.subarray(0, TAG_BYTES), tagOf(key, flight)) ? flight : null;
}

function tagOf(key: string, flight: Buffer): Buffer {
  return createHmac('sha256', Buffer.from(key, 'base64url')).update(flight).digest().subarray(0, TAG_BYTES);
}
