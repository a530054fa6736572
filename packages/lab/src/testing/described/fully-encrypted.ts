// C25: what acts on traffic that is encrypted from its first byte on.
import { type Exact, type Measured, tcp, udp } from './described.ts';
import { HELLO, hex, request, SSH } from './wire-bytes.ts';

const HTTP = request('www.example.org');

/** A first packet of 100 bytes with so many set bits, none printable. */
function withBits(total: number, length = 100): Buffer {
  // 0x83 has three set bits, 0x96 four, 0x9b five.
  const bytes = Buffer.alloc(length, 0x96);
  const change = total - 4 * length;
  bytes.fill(change < 0 ? 0x83 : 0x9b, 0, Math.abs(change));
  return bytes;
}

const fill = (length: number): Buffer => Buffer.alloc(length, 0x96);
const behind = (start: string | Buffer, length = 200): Buffer => Buffer.concat([Buffer.from(start), fill(length)]);
/** Printable bytes among others, never two in a row: 'V' has four set bits. */
const scattered = (printable: number): Buffer =>
  Buffer.concat([
    fill(100 - 2 * Math.min(printable, 50)),
    Buffer.concat(Array.from({ length: Math.min(printable, 50) }, () => hex('96 56'))),
    ...(printable > 50 ? [hex('56')] : []),
  ]).subarray(0, printable > 50 ? 101 : 100);

/** C25: first packets, and whether a reading exempts them. */
function firsts(of: string, says: string, list: readonly (readonly [bytes: Buffer, isExempt: boolean])[]): Exact {
  return {
    of: [of],
    says: `§2 C25: ${says}`,
    settings: { chance: 1 },
    steps: list.map(
      ([bytes, isExempt], index) => [index, tcp(2000 + index).up(bytes), isExempt ? 'pass' : 'drop up'] as const,
    ),
  };
}

const record = (type: number, minor: number): Buffer => behind(Buffer.of(type, 3, minor));
const run = (length: number): Buffer => Buffer.concat([fill(60), Buffer.alloc(length, 0x56), fill(60)]);
const READINGS = ['C25-paper', 'C25-artifact', 'C25-opengfw', 'C25-ndpi'] as const;

const COMMON = READINGS.flatMap((of) => [
  firsts(of, 'Ex1: ≤ 3.4 or ≥ 4.6 set bits a byte', [
    [withBits(340), true],
    [withBits(341), false],
    [withBits(459), false],
    [withBits(460), true],
    [withBits(400), false],
    [Buffer.alloc(100, 0x80), true],
  ]),
  firsts(of, 'Ex2: the first 6 bytes printable, 0x20 to 0x7e', [
    [behind('VVVVVV'), true],
    [behind('VVVVV'), false],
    [behind('  ~~VV'), true],
    [behind(Buffer.from('\x1fVVVVV', 'latin1')), false],
    [behind(Buffer.from('VVVVV\x7f', 'latin1')), false],
  ]),
  firsts(of, 'Ex3: > 50 % printable', [
    [scattered(50), false],
    [scattered(51), true],
  ]),
  {
    of: [of],
    says: '§2 C25: TCP only; only the first data packet of the client counts; the server’s passes',
    settings: { chance: 1 },
    steps: [
      [0, udp(8388).up(fill(200)), 'pass'],
      [1, tcp(80).up(HTTP), 'pass'],
      [1.1, tcp(80).up(fill(200)), 'pass'],
      [2, tcp(81).down(fill(200)), 'pass'],
      [2.1, tcp(81).up(fill(200)), 'drop up'],
      [2.2, tcp(81).down(fill(200)), 'pass'],
      [3, tcp(82).up(fill(200)), 'drop up'],
      [182.999, tcp(82, { from: 4000 }).up(HTTP), 'drop up'],
      [182.999, tcp(82, { from: 4001 }).down(HTTP), 'pass'],
      [182.999, tcp(83, { from: 4000 }).up(HTTP), 'pass'],
      [182.999, tcp(82, { from: 4000, client: '198.51.100.24' }).up(HTTP), 'pass'],
      [182.999, tcp(82, { from: 4000, server: '203.0.113.8' }).up(HTTP), 'pass'],
      [183, tcp(82, { from: 4002 }).up(HTTP), 'pass'],
    ],
  } satisfies Exact,
]);

export const CHANCES: readonly Measured[] = READINGS.map((of) => ({
  of: [of],
  says: '§2 C25: p = 26.3 % per connection',
  packets: () =>
    Array.from({ length: 4000 }, (_, at) => [at * 181, tcp(8388, { from: 2000 + at }).up(fill(50))] as const),
  counts: 'share',
  which: (verdict) => verdict === 'drop up',
  from: 0.243,
  to: 0.283,
}));

export const FULLY_ENCRYPTED: readonly Exact[] = [
  ...COMMON,
  ...(['C25-paper', 'C25-artifact', 'C25-opengfw'] as const).map((of) =>
    firsts(of, 'Ex4: > 20 printable in a row', [
      [run(20), false],
      [run(21), true],
    ]),
  ),
  firsts('C25-ndpi', 'nDPI uses ≥ 20', [
    [run(19), false],
    [run(20), true],
  ]),
  firsts('C25-paper', 'Ex5: [16 17] 03 [00-09], or GET, PUT, POST, HEAD and a space', [
    [record(0x16, 0), true],
    [record(0x17, 9), true],
    [record(0x16, 0x0a), false],
    [record(0x15, 1), false],
    [record(0x18, 1), false],
    [behind('\x16\x02\x01'), false],
    [behind('GET '), true],
    [behind('PUT '), true],
    [behind('POST '), true],
    [behind('HEAD '), true],
    [behind('GET'), false],
    [behind('DEL '), false],
  ]),
  firsts('C25-artifact', 'the artifact’s code allows a third byte up to 0x0f', [
    [record(0x16, 0x0f), true],
    [record(0x17, 0x0a), true],
    [record(0x16, 0x10), false],
    [behind('GET '), true],
    [behind('GET'), false],
  ]),
  firsts('C25-opengfw', 'OpenGFW tests 3-letter verbs', [
    [behind('GET'), true],
    [behind('DEL'), true],
    [behind('PAT'), true],
    [behind('XYZ'), false],
    [record(0x16, 3), true],
    [record(0x16, 4), false],
    [record(0x17, 3), false],
  ]),
  firsts('C25-ndpi', 'in place of Ex5, nDPI flags only flows it could not name', [
    [HELLO, true],
    [HTTP, true],
    [SSH, true],
    [record(0x17, 3), false],
    [record(0x16, 9), false],
  ]),
];
