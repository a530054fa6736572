import { ProtocolError } from './errors.ts';

/** `bytes` in base64url (RFC 4648 §5) without padding. */
export function encodeBase64url(bytes: Buffer): string {
  return bytes.toString('base64url');
}

/**
 * The bytes behind base64url text without padding. Strict: another alphabet, padding, white space or bits that are set in
 * the unused end of the last character throw a `ProtocolError` (`malformed`), so that each value has one text only.
 */
export function decodeBase64url(text: string): Buffer {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.toString('base64url') !== text) throw new ProtocolError('malformed', 'not base64url');
  return bytes;
}
