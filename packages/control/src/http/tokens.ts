import { createHash } from 'node:crypto';
import { encodeBase64url } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';

const SECRET_BYTES = 32;

/** What a secret text is for, to be seen in the text itself: `session` in cookies, `api` and `relay` behind `Bearer`, the others used once. */
export type TokenKind = 'session' | 'api' | 'relay' | 'login' | 'enrol';

/** A secret text of 256 bits: `rozan-KIND-…`. */
export function createToken(random: Random, kind: TokenKind): string {
  return `rozan-${kind}-${encodeBase64url(random.bytes(SECRET_BYTES))}`;
}

/** What is kept of a token. The token cannot be guessed, so a plain hash does. */
export function hashToken(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** What a page has to send beside a session's cookie, to show that it is ours. */
export function csrfToken(session: string): string {
  return encodeBase64url(createHash('sha256').update('rozan csrf\0').update(session).digest());
}
