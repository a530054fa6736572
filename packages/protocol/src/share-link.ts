// The forms in which people pass server entries on (docs/spec/server-entry.md): a link, a link in capitals for QR codes
// (whose alphanumeric mode has no lower case), and text files of several links.
import { decodeBase64url, encodeBase64url } from './base64url.ts';
import { ProtocolError } from './errors.ts';
import { MAX_ENTRY_BYTES, MIN_ENTRY_BYTES } from './server-entry.ts';

const SCHEME = 'rozan://';
const CAPITALS_SCHEME = 'ROZAN://Q/';
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
/** Above every link with what mail programs may add to it. */
const MAX_LINK_CHARS = 16_384;
const MAX_TEXT_BYTES = 65_536;
const MAX_ENTRIES = 100;

/** White space, and what word processors and messengers put between letters unseen. */
const INVISIBLE = /[\s\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+/g;
/** Brackets and quotes around a link, and the stop behind it, whatever the script. */
const PUNCTUATION_BEFORE = /^[\p{Ps}\p{Pi}"'`<*]+/u;
const PUNCTUATION_AFTER = /[^A-Za-z0-9_-]+$/;
const FOREIGN = /[^A-Za-z0-9_-]/;
const STARTS_LINK = /^[\p{Ps}\p{Pi}"'`<*]*rozan:/iu;

/** The link of a signed entry: `rozan://` and the envelope's bytes in base64url. Checks nothing but the length. */
export function formatShareLink(bytes: Buffer): string {
  checkLength(bytes.length);
  return SCHEME + encodeBase64url(bytes);
}

/** The same link in capital letters and digits only (base32, RFC 4648 §6, without padding): the smaller QR code. */
export function formatShareLinkCapitals(bytes: Buffer): string {
  checkLength(bytes.length);
  return CAPITALS_SCHEME + encodeBase32(bytes);
}

/**
 * The envelope bytes of a link in either form, for `parseServerEntry` to judge. Tolerates what copying does: white space and line
 * breaks anywhere, quotes and brackets around, punctuation behind, any case of the scheme (and of all of the capitals' form).
 * Throws a `ProtocolError` (`malformed`, `truncated`, `out-of-bounds`) that never quotes the text, as it holds a secret.
 */
export function parseShareLink(text: string): Buffer {
  if (text.length > MAX_LINK_CHARS) throw new ProtocolError('out-of-bounds', 'too long for a rozan:// link');
  const link = text.replace(INVISIBLE, '').replace(PUNCTUATION_BEFORE, '');
  const capitals = startsWithScheme(link, CAPITALS_SCHEME);
  if (!capitals && !startsWithScheme(link, SCHEME)) throw new ProtocolError('malformed', 'not a rozan:// link');
  const body = link.slice((capitals ? CAPITALS_SCHEME : SCHEME).length).replace(PUNCTUATION_AFTER, '');
  if (FOREIGN.test(body)) throw new ProtocolError('malformed', 'the link holds characters that do not belong there');
  const bytes = capitals ? decodeBase32(body.toUpperCase()) : decodeBase64url(body);
  checkLength(bytes.length);
  return bytes;
}

/**
 * The envelopes in a text of links: one begins on each line, goes on over lines that hold nothing else, and ends at a blank line, a
 * comment (`#` at the start) or the next link. At least one, at most 100, in 64 KiB. Throws a `ProtocolError` as `parseShareLink`
 * does; its message names the line.
 */
export function parseEntryText(text: string): Buffer[] {
  if (Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new ProtocolError('out-of-bounds', 'too long for a list of entries');
  const links = collectLinks(text);
  if (links.length === 0) throw new ProtocolError('malformed', 'there is no rozan:// link in it');
  if (links.length > MAX_ENTRIES) throw new ProtocolError('out-of-bounds', `more than ${MAX_ENTRIES} entries`);
  return links.map(({ line, text: link }) => {
    try {
      return parseShareLink(link);
    } catch (error) {
      throw error instanceof ProtocolError ? atLine(error, line) : error;
    }
  });
}

interface FoundLink {
  readonly line: number;
  text: string;
}

function collectLinks(text: string): FoundLink[] {
  const links: FoundLink[] = [];
  let current: FoundLink | undefined;
  for (const [index, raw] of text.split(/\r\n|[\r\n]/).entries()) {
    const line = raw.replace(INVISIBLE, ' ').trim();
    if (line === '' || line.startsWith('#')) {
      current = undefined;
    } else if (STARTS_LINK.test(line)) {
      current = { line: index + 1, text: line };
      links.push(current);
    } else if (current) {
      current.text += line;
    } else {
      throw new ProtocolError('malformed', `line ${index + 1}: not a rozan:// link`);
    }
  }
  return links;
}

function atLine(error: ProtocolError, line: number): ProtocolError {
  return new ProtocolError(error.code, `line ${line}: ${error.message}`, { cause: error });
}

function startsWithScheme(link: string, scheme: string): boolean {
  return link.slice(0, scheme.length).toUpperCase() === scheme.toUpperCase();
}

function checkLength(bytes: number): void {
  if (bytes < MIN_ENTRY_BYTES) throw new ProtocolError('truncated', 'the link is too short: a part of it is missing');
  if (bytes > MAX_ENTRY_BYTES) throw new ProtocolError('out-of-bounds', 'the link is too long');
}

function encodeBase32(bytes: Buffer): string {
  let text = '';
  let bits = 0;
  let held = 0;
  for (const byte of bytes) {
    held = ((held << 8) | byte) & 0xfff;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32.charAt((held >> (bits - 5)) & 31);
  }
  return bits > 0 ? text + BASE32.charAt((held << (5 - bits)) & 31) : text;
}

function decodeBase32(text: string): Buffer {
  const bytes: number[] = [];
  let bits = 0;
  let held = 0;
  for (const letter of text) {
    held = ((held << 5) | BASE32.indexOf(letter)) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push((held >> bits) & 0xff);
  }
  const decoded = Buffer.from(bytes);
  // One text only for each value, as with base64url; this also catches letters that are not in the alphabet.
  if (encodeBase32(decoded) !== text)
    throw new ProtocolError('malformed', 'the link holds characters that do not belong there');
  return decoded;
}
