// The first message of TLS 1.3 (RFC 8446 §4.1.2) as OpenSSL 3 writes it for curl in Debian 12.
import { generateKeyPairSync } from 'node:crypto';
import { TunnelError } from '../../../errors.ts';
import { tagFits, tagOf } from '../mark.ts';

/** The protocols that a hello offers (RFC 7301). */
export type Alpn = 'http1' | 'h2';

export const ALPNS: readonly Alpn[] = ['http1', 'h2'];

const ALPN_NAMES: Readonly<Record<Alpn, readonly string[]>> = { http1: ['http/1.1'], h2: ['h2', 'http/1.1'] };

/** What all hellos to one listener have in common. */
export interface HelloLook {
  /** The server's name; null for none. */
  readonly host: string | null;
  readonly alpn: Alpn;
}

const CIPHERS =
  '130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006bc023c0270067c00ac0140039c009c0130033009d009c003d003c0035002f00ff';
const GROUPS = '001d0017001e0019001801000101010201030104';
const SIGNATURES = '040305030603080708080809080a080b080408050806040105010601030303010302040205020602';

const RECORD_HEAD_BYTES = 5;
/** OpenSSL pads shorter hellos to this length, because of servers that choke on those between 256 and 511 bytes (RFC 7685). */
const PADDED_BYTES = 512;
/** A hello of ours, with the head of its record. */
export const HELLO_BYTES: number = RECORD_HEAD_BYTES + PADDED_BYTES;
const HELLO_HEAD = Buffer.from('1603010200', 'hex');

const RANDOM_BYTES = 32;
const SESSION_ID_BYTES = 32;
const RANDOM_START = RECORD_HEAD_BYTES + 4 + 2;
const SESSION_ID_START = RANDOM_START + RANDOM_BYTES + 1;
const SESSION_ID_END = SESSION_ID_START + SESSION_ID_BYTES;

const hex = (digits: string): Buffer => Buffer.from(digits, 'hex');

function uint16(value: number): Buffer {
  return Buffer.of(value >> 8, value & 0xff);
}

/** A vector behind its length in two bytes. */
function vector(...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([uint16(content.length), content]);
}

function extension(type: number, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([uint16(type), vector(...parts)]);
}

function extensionsOf({ host, alpn }: HelloLook, keyShare: Buffer): Buffer[] {
  const extensions: Buffer[] = [];
  if (host !== null) extensions.push(extension(0x0000, vector(Buffer.of(0), vector(Buffer.from(host, 'latin1')))));
  extensions.push(
    extension(0x000b, hex('03000102')),
    extension(0x000a, vector(hex(GROUPS))),
    extension(0x0010, vector(...namesOf(alpn))),
    extension(0x0016),
    extension(0x0017),
    extension(0x0031),
    extension(0x000d, vector(hex(SIGNATURES))),
    extension(0x002b, hex('080304030303020301')),
    extension(0x002d, hex('0101')),
    extension(0x0033, vector(hex('001d'), vector(keyShare))),
  );
  return extensions;
}

function namesOf(alpn: Alpn): Buffer[] {
  return ALPN_NAMES[alpn].map((name) => Buffer.from(`${String.fromCharCode(name.length)}${name}`, 'latin1'));
}

function freshKeyShare(): Buffer {
  const { publicKey } = generateKeyPairSync('x25519');
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
}

/** What the tag in a hello is bound to: everything else that is fresh or chosen. */
function boundBy(hello: Buffer): Buffer {
  return Buffer.concat([hello.subarray(RANDOM_START, SESSION_ID_START - 1), hello.subarray(SESSION_ID_END)]);
}

/** Makes a hello whose session id shows, to whoever has the key, whose it is. Throws a `TunnelError` (`bad-params`) when the name is too long. */
export function makeHello(look: HelloLook, key: Buffer, drawBytes: (count: number) => Buffer): Buffer {
  const front = [
    hex('0303'),
    drawBytes(RANDOM_BYTES),
    Buffer.of(SESSION_ID_BYTES),
    Buffer.alloc(SESSION_ID_BYTES),
    vector(hex(CIPHERS)),
    hex('0100'),
  ];
  const extensions = extensionsOf(look, freshKeyShare());
  const bareBytes = 4 + 2 + Buffer.concat([...front, ...extensions]).length;
  const paddingBytes = PADDED_BYTES - bareBytes - 4;
  if (paddingBytes < 1) throw new TunnelError('bad-params', 'the name of the server is too long for a hello');
  const body = Buffer.concat([...front, vector(...extensions, extension(0x0015, Buffer.alloc(paddingBytes)))]);
  const hello = Buffer.concat([HELLO_HEAD, Buffer.of(1, 0), uint16(body.length), body]);
  tagOf(key, boundBy(hello), SESSION_ID_BYTES).copy(hello, SESSION_ID_START);
  return hello;
}

/** What can be told of the beginning of a connection. */
export type HelloMatch =
  | { readonly kind: 'other' }
  | { readonly kind: 'part' }
  /** A hello of ours; `mark` is fresh in each. */
  | { readonly kind: 'hello'; readonly mark: Buffer };

/** Looks for a hello that was made with the key. */
export function matchHello(bytes: Buffer, key: Buffer): HelloMatch {
  const head = bytes.subarray(0, RECORD_HEAD_BYTES);
  if (!head.equals(HELLO_HEAD.subarray(0, head.length))) return { kind: 'other' };
  if (bytes.length < HELLO_BYTES) return { kind: 'part' };
  const hello = bytes.subarray(0, HELLO_BYTES);
  const mark = hello.subarray(SESSION_ID_START, SESSION_ID_END);
  return tagFits(key, boundBy(hello), mark) ? { kind: 'hello', mark } : { kind: 'other' };
}
