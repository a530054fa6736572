// What a request says beside its body, in two layers: the outer one, which everybody with the entry can open, names the connection; the
// inner one only its two ends can make and open (docs/spec/transport-http.md §3).
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { KEY_BYTES } from '@rozan/protocol';
import type { Random } from '../../env.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 28;
const INNER_BYTES = HEADER_BYTES + TAG_BYTES;
/** Bytes of a token. */
export const TOKEN_BYTES: number = NONCE_BYTES + KEY_BYTES + INNER_BYTES + TAG_BYTES;
/** Characters of a token in base64url. */
export const TOKEN_CHARACTERS: number = Math.ceil((TOKEN_BYTES * 4) / 3);

const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES } as const;

const OPENING = 1;
const STREAMED = 2;
const RESET = 4;

/** What a request says. */
export interface RequestHeader {
  /** Counts the requests of a connection from 1; used once. */
  readonly number: number;
  /** May begin the connection: the client has heard nothing from the listener yet. */
  readonly opening: boolean;
  /** The answer may be sent in pieces, as bytes come. */
  readonly streamed: boolean;
  /** The client has broken the connection off. */
  readonly reset: boolean;
  /** For so long the answer may be held back, or go on, milliseconds below 65,536. */
  readonly holdMs: number;
  /** Stream bytes that the answer may carry. */
  readonly answerBytes: number;
  /** What has arrived here: all bytes before this offset; one more when the end has. */
  readonly ack: number;
  /** Bytes up to this offset are taken. */
  readonly limit: number;
  /** Bit n: no (whole) answer came to the request whose number is this one's less n + 1. */
  readonly failed: number;
}

/** A token whose outer layer is opened. */
export interface OuterToken {
  readonly connectionKey: Buffer;
  readonly nonce: Buffer;
  readonly inner: Buffer;
}

function seal(key: Buffer, nonce: Buffer, plaintext: Buffer): Buffer {
  const cipher = createCipheriv(ALGORITHM, key, nonce, OPTIONS);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([ciphertext, cipher.getAuthTag()]);
}

function open(key: Buffer, nonce: Buffer, sealed: Buffer): Buffer | null {
  const decipher = createDecipheriv(ALGORITHM, key, nonce, OPTIONS);
  const end = sealed.length - TAG_BYTES;
  decipher.setAuthTag(sealed.subarray(end));
  const plaintext = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
    return plaintext;
  } catch {
    return null;
  }
}

/** Seals a token; no two are alike. */
export function sealToken(
  header: RequestHeader,
  options: {
    readonly entryKey: Buffer;
    readonly requestKey: Buffer;
    readonly connectionKey: Buffer;
    readonly random: Random;
  },
): Buffer {
  const nonce = options.random.bytes(NONCE_BYTES);
  const inner = seal(options.requestKey, nonce, encodeHeader(header));
  return Buffer.concat([nonce, seal(options.entryKey, nonce, Buffer.concat([options.connectionKey, inner]))]);
}

/** Opens the outer layer; null for what nobody with the entry has made. */
export function openOuter(token: Buffer, entryKey: Buffer): OuterToken | null {
  if (token.length !== TOKEN_BYTES) return null;
  const nonce = token.subarray(0, NONCE_BYTES);
  const plaintext = open(entryKey, nonce, token.subarray(NONCE_BYTES));
  if (plaintext === null) return null;
  return { connectionKey: plaintext.subarray(0, KEY_BYTES), nonce, inner: plaintext.subarray(KEY_BYTES) };
}

/** Opens the inner layer; null for what the client of this connection has not made. */
export function openInner({ nonce, inner }: OuterToken, requestKey: Buffer): RequestHeader | null {
  const plaintext = open(requestKey, nonce, inner);
  return plaintext === null ? null : decodeHeader(plaintext);
}

function encodeHeader(header: RequestHeader): Buffer {
  const bytes = Buffer.alloc(HEADER_BYTES);
  bytes.writeUInt32BE(header.number, 0);
  bytes[4] = (header.opening ? OPENING : 0) | (header.streamed ? STREAMED : 0) | (header.reset ? RESET : 0);
  bytes.writeUInt16BE(header.holdMs, 6);
  bytes.writeUInt32BE(header.answerBytes, 8);
  bytes.writeUIntBE(header.ack, 12, 6);
  bytes.writeUIntBE(header.limit, 18, 6);
  bytes.writeUInt32BE(header.failed >>> 0, 24);
  return bytes;
}

function decodeHeader(bytes: Buffer): RequestHeader {
  const flags = bytes.readUInt8(4);
  return {
    number: bytes.readUInt32BE(0),
    opening: (flags & OPENING) !== 0,
    streamed: (flags & STREAMED) !== 0,
    reset: (flags & RESET) !== 0,
    holdMs: bytes.readUInt16BE(6),
    answerBytes: bytes.readUInt32BE(8),
    ack: bytes.readUIntBE(12, 6),
    limit: bytes.readUIntBE(18, 6),
    failed: bytes.readUInt32BE(24),
  };
}
