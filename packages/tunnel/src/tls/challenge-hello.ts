/** The protocol by which an authority asks whether a server has a name (RFC 8737 §3). */
export const CHALLENGE_ALPN = 'acme-tls/1';

const HANDSHAKE = 0x16;
const RECORD_HEADER_BYTES = 5;
const MOST_RECORD_BYTES = 16_384;

/** The extension of a hello that offers this protocol and no other: type 16, its length, the list's, the name's. */
const EXTENSION: Buffer = Buffer.concat([
  Buffer.from([0, 16, 0, CHALLENGE_ALPN.length + 3, 0, CHALLENGE_ALPN.length + 1, CHALLENGE_ALPN.length]),
  Buffer.from(CHALLENGE_ALPN),
]);

/**
 * Whether a connection that begins so is an authority's question: `more` as long as its first record is not whole. An authority's hello is one
 * record, and nobody else's has these bytes by chance.
 */
export function looksLikeChallenge(bytes: Buffer): boolean | 'more' {
  if (bytes.length === 0) return 'more';
  if (bytes[0] !== HANDSHAKE || (bytes.length > 1 && bytes[1] !== 3)) return false;
  if (bytes.length < RECORD_HEADER_BYTES) return 'more';
  const length = bytes.readUInt16BE(3);
  if (length > MOST_RECORD_BYTES) return false;
  const record = bytes.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + length);
  if (record.length < length) return 'more';
  return record.includes(EXTENSION);
}
