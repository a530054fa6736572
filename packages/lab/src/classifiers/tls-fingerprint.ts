// Fingerprints of a ClientHello by which implementations of TLS are told apart: JA3 (Salesforce, 2017) and JA4 (FoxIO, 2023; the TLS client part,
// technical_details/JA4.md).
import { createHash } from 'node:crypto';
import type { TlsHello } from '../censor/tls-hello.ts';

const SERVER_NAME = 0;
const ALPN = 16;
const HASH_CHARS = 12;
const MOST_COUNTED = 99;

/** Values that are sent to keep implementations tolerant, and mean nothing (RFC 8701). */
export function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}

const withoutGrease = (values: readonly number[]): number[] => values.filter((value) => !isGrease(value));

/** JA3: MD5 over version, ciphers, extensions, groups and point formats. */
export function ja3Of(hello: TlsHello): string {
  const lists = [hello.ciphers, hello.extensions, hello.groups, hello.pointFormats];
  const text = [hello.version, ...lists.map((list) => withoutGrease(list).join('-'))].join(',');
  return createHash('md5').update(text).digest('hex');
}

const VERSIONS: ReadonlyMap<number, string> = new Map([
  [0x0304, '13'],
  [0x0303, '12'],
  [0x0302, '11'],
  [0x0301, '10'],
  [0x0300, 's3'],
  [0x0002, 's2'],
]);

function shortHash(text: string): string {
  if (text === '') return '0'.repeat(HASH_CHARS);
  return createHash('sha256').update(text).digest('hex').slice(0, HASH_CHARS);
}

const hex4 = (value: number): string => value.toString(16).padStart(4, '0');
const two = (count: number): string => String(Math.min(count, MOST_COUNTED)).padStart(2, '0');

/** The first and last character of the first protocol; of its hexadecimal form where one of them is no letter or digit. */
function endsOf(protocol: string): string {
  if (protocol === '') return '00';
  const [first = '', last = ''] = [protocol.at(0), protocol.at(-1)];
  if (/^[0-9A-Za-z]{2}$/.test(first + last)) return first + last;
  const hex = Buffer.from(protocol, 'latin1').toString('hex');
  return `${hex.at(0)}${hex.at(-1)}`;
}

/** The parts of JA4 before anything is hashed. */
interface Ja4Parts {
  readonly head: string;
  readonly ciphers: string;
  readonly extensions: string;
}

function partsOf(hello: TlsHello, transport: 't' | 'q'): Ja4Parts {
  const ciphers = withoutGrease(hello.ciphers).map(hex4).sort();
  const extensions = withoutGrease(hello.extensions);
  const named = extensions.filter((type) => type !== SERVER_NAME && type !== ALPN).map(hex4);
  const versions = withoutGrease(hello.versions);
  const version = VERSIONS.get(versions.length > 0 ? Math.max(...versions) : hello.version) ?? '00';
  const hasName = extensions.includes(SERVER_NAME) ? 'd' : 'i';
  const signatures = withoutGrease(hello.signatures).map(hex4);
  return {
    head: `${transport}${version}${hasName}${two(ciphers.length)}${two(extensions.length)}${endsOf(hello.alpn[0] ?? '')}`,
    ciphers: ciphers.join(','),
    extensions: named.sort().join(',') + (signatures.length === 0 ? '' : `_${signatures.join(',')}`),
  };
}

/** JA4 of a hello over TCP or, with `q`, over QUIC. */
export function ja4Of(hello: TlsHello, transport: 't' | 'q' = 't'): string {
  const { head, ciphers, extensions } = partsOf(hello, transport);
  return `${head}_${shortHash(ciphers)}_${shortHash(extensions)}`;
}

/** The same with the lists in place of their hashes (`JA4_r`), for people to compare. */
export function rawJa4Of(hello: TlsHello, transport: 't' | 'q' = 't'): string {
  const { head, ciphers, extensions } = partsOf(hello, transport);
  return `${head}_${ciphers}_${extensions}`;
}
