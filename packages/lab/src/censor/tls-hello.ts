// A ClientHello as a censor reads it (RFC 8446 §4.1.2). Also in QUIC, where it comes without records.

/** What is read of a ClientHello. */
export interface TlsHello {
  readonly version: number;
  readonly ciphers: readonly number[];
  readonly extensions: readonly number[];
  readonly sni: string | null;
  readonly alpn: readonly string[];
  readonly groups: readonly number[];
  readonly pointFormats: readonly number[];
  readonly signatures: readonly number[];
  readonly versions: readonly number[];
}

const RECORD_HEADER_BYTES = 5;
const HANDSHAKE_HEADER_BYTES = 4;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const GROUPS = 10;
const POINT_FORMATS = 11;
const SIGNATURES = 13;
const ALPN = 16;
const VERSIONS = 43;

/** Numbers of bytes, read one behind another; reading beyond the end throws `RangeError`. */
class Cursor {
  at = 0;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  number(size: 1 | 2 | 3): number {
    const value = this.#bytes.readUIntBE(this.at, size);
    this.at += size;
    return value;
  }

  take(length: number): Buffer {
    if (length > this.left) throw new RangeError('beyond the end');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** Bytes behind their length. */
  vector(size: 1 | 2): Buffer {
    return this.take(this.number(size));
  }
}

function numbersIn(bytes: Buffer, size: 1 | 2): number[] {
  const cursor = new Cursor(bytes);
  const numbers: number[] = [];
  while (cursor.left >= size) numbers.push(cursor.number(size));
  return numbers;
}

function namesIn(bytes: Buffer): string[] {
  const cursor = new Cursor(bytes);
  const names: string[] = [];
  while (cursor.left > 0) names.push(cursor.vector(1).toString('latin1'));
  return names;
}

function serverNameIn(bytes: Buffer): string | null {
  const cursor = new Cursor(new Cursor(bytes).vector(2));
  while (cursor.left > 0) {
    const type = cursor.number(1);
    const name = cursor.vector(2);
    if (type === 0) return name.toString('latin1').toLowerCase();
  }
  return null;
}

/** The handshake messages in a stream of records, as far as they have come; null where it does not begin with a record of them. */
function unwrapRecords(bytes: Buffer): Buffer | null {
  const parts: Buffer[] = [];
  for (let at = 0; at + RECORD_HEADER_BYTES <= bytes.length; ) {
    const length = bytes.readUInt16BE(at + 3);
    if (bytes[at] !== 0x16 || bytes[at + 1] !== 3) break;
    parts.push(bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length));
    at += RECORD_HEADER_BYTES + length;
  }
  return parts.length === 0 ? null : Buffer.concat(parts);
}

function parseBody(body: Buffer): TlsHello {
  const cursor = new Cursor(body);
  const version = cursor.number(2);
  cursor.take(32);
  cursor.vector(1);
  const ciphers = numbersIn(cursor.vector(2), 2);
  cursor.vector(1);
  const found = new Map<number, Buffer>();
  const extensions: number[] = [];
  const block = new Cursor(cursor.left >= 2 ? cursor.vector(2) : Buffer.alloc(0));
  while (block.left > 0) {
    const type = block.number(2);
    extensions.push(type);
    found.set(type, block.vector(2));
  }
  const inner = (type: number, size: 1 | 2): Buffer => {
    const bytes = found.get(type);
    return bytes === undefined || bytes.length === 0 ? Buffer.alloc(0) : new Cursor(bytes).vector(size);
  };
  const name = found.get(SERVER_NAME);
  return {
    version,
    ciphers,
    extensions,
    sni: name === undefined || name.length === 0 ? null : serverNameIn(name),
    alpn: namesIn(inner(ALPN, 2)),
    groups: numbersIn(inner(GROUPS, 2), 2),
    pointFormats: numbersIn(inner(POINT_FORMATS, 1), 1),
    signatures: numbersIn(inner(SIGNATURES, 2), 2),
    versions: numbersIn(inner(VERSIONS, 1), 2),
  };
}

/** Reads a ClientHello that stands in a handshake message. `false`: it is none; null: more has to come. */
export function readHelloMessage(message: Buffer): TlsHello | false | null {
  if (message.length > 0 && message[0] !== CLIENT_HELLO) return false;
  if (message.length < HANDSHAKE_HEADER_BYTES) return null;
  const length = message.readUIntBE(1, 3);
  if (message.length < HANDSHAKE_HEADER_BYTES + length) return null;
  try {
    return parseBody(message.subarray(HANDSHAKE_HEADER_BYTES, HANDSHAKE_HEADER_BYTES + length));
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** Reads a ClientHello that stands in records, whole or in part. `false`: it is none; null: more has to come. */
export function readHelloRecords(bytes: Buffer): TlsHello | false | null {
  if (bytes.length > 0 && bytes[0] !== 0x16) return false;
  if (bytes.length > 1 && bytes[1] !== 3) return false;
  const message = unwrapRecords(bytes);
  return message === null ? null : readHelloMessage(message);
}
