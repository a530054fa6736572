export { decodeBase64url, encodeBase64url } from './base64url.ts';
export { ByteReader, MAX_VARINT, varintLength, writeVarint } from './bytes.ts';
export { ProtocolError, type ProtocolErrorCode } from './errors.ts';
export { type ResetCode, resetCodeNumber, resetCodeOf } from './reset-code.ts';
export {
  type EntryTransport,
  type EntryValidity,
  entryTag,
  entryValidity,
  type ParsedServerEntry,
  parseServerEntry,
  relayId,
  type ServerEntry,
  type ServerEntryFields,
  signServerEntry,
} from './server-entry.ts';
export { formatShareLink, formatShareLinkCapitals, parseEntryText, parseShareLink } from './share-link.ts';
export {
  decodeTarget,
  encodeTarget,
  formatHostPort,
  formatIpAddress,
  parseHostPort,
  parseIpAddress,
  readTarget,
  type Target,
} from './target.ts';
