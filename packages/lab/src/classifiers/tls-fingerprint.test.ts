import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readHelloRecords, type TlsHello } from '../censor/tls-hello.ts';
import { isGrease, ja3Of, ja4Of, rawJa4Of } from './tls-fingerprint.ts';

const numbers = (text: string): number[] => text.split(',').map((hex) => Number.parseInt(hex, 16));

/** The hello that FoxIO's page computes as its example: a Chrome of 2023. */
const PUBLISHED: TlsHello = {
  version: 0x0303,
  ciphers: numbers('1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035'),
  extensions: numbers('001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015'),
  sni: 'example.com',
  alpn: ['h2', 'http/1.1'],
  groups: numbers('001d,0017,0018'),
  pointFormats: [0],
  signatures: numbers('0403,0804,0401,0503,0805,0501,0806,0601'),
  versions: [0x0304, 0x0303],
};
/** A Chrome of the end of 2025, as a public echo server has written it down beside its JA4. */
const CHROME_143: TlsHello = {
  ...PUBLISHED,
  extensions: numbers('002d,0033,0010,fe0d,0017,44cd,0000,000b,000a,002b,ff01,0023,0012,0005,000d,001b'),
};
const GREASE = Array.from({ length: 16 }, (_, index) => 0x0a0a + index * 0x1010);

test('published fingerprints', () => {
  assert.equal(ja4Of(PUBLISHED), 't13d1516h2_8daaf6152771_e5627efa2ab1');
  assert.equal(ja4Of({ ...PUBLISHED, signatures: [] }).slice(-12), '6d807ffa2a79');
  assert.equal(ja4Of(CHROME_143), 't13d1516h2_8daaf6152771_d8a2da3f94cd');
  assert.equal(
    rawJa4Of(PUBLISHED),
    't13d1516h2_002f,0035,009c,009d,1301,1302,1303,c013,c014,c02b,c02c,c02f,c030,cca8,cca9_' +
      '0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01_0403,0804,0401,0503,0805,0501,0806,0601',
  );
});

test('the first protocol is named by its ends, in hexadecimal where they are no letters or digits', () => {
  const named = {
    h2: 'h2',
    'http/1.1': 'h1',
    '\xab': 'ab',
    '\xab\xcd': 'ad',
    '0\xab': '3b',
    '01\xab\xcd': '3d',
    '0\xab\xcd1': '01',
  };
  for (const [protocol, ends] of Object.entries(named)) {
    assert.equal(ja4Of({ ...PUBLISHED, alpn: [protocol] }).slice(8, 10), ends);
  }
  assert.equal(ja4Of({ ...PUBLISHED, alpn: [] }).slice(8, 10), '00');
});

test('a hello with nothing in it has zeros for hashes, counts end at 99, and QUIC has its own letter', () => {
  const bare = { ...PUBLISHED, ciphers: [], extensions: [], signatures: [], alpn: [], versions: [], sni: null };
  assert.equal(ja4Of(bare), 't12i000000_000000000000_000000000000');
  const many = Array.from({ length: 120 }, (_, index) => 0x1000 + index);
  assert.match(ja4Of({ ...PUBLISHED, ciphers: many, extensions: many }, 'q'), /^q13i9999h2_/);
});

test('GREASE changes nothing, wherever it stands; JA4 does not see the order of ciphers and extensions, JA3 does', () => {
  assert.deepEqual(Array.from({ length: 0x10000 }, (_, value) => value).filter(isGrease), GREASE);
  const greased = (values: readonly number[]) =>
    fc
      .tuple(fc.shuffledSubarray([...values], { minLength: values.length }), fc.subarray(GREASE), fc.nat())
      .map(([shuffled, grease, at]) => shuffled.toSpliced(at % (values.length + 1), 0, ...grease));
  const kept = (values: readonly number[]) =>
    fc
      .tuple(fc.constantFrom(...GREASE), fc.nat())
      .map(([grease, at]) => values.toSpliced(at % (values.length + 1), 0, grease));
  const hello = fc.record({
    ciphers: greased(CHROME_143.ciphers),
    extensions: greased(CHROME_143.extensions),
    signatures: kept(CHROME_143.signatures),
    versions: kept(CHROME_143.versions),
    groups: kept(CHROME_143.groups),
  });
  fc.assert(
    fc.property(hello, (lists) => {
      assert.equal(ja4Of({ ...CHROME_143, ...lists }), ja4Of(CHROME_143));
      const { ciphers, extensions } = CHROME_143;
      assert.equal(ja3Of({ ...CHROME_143, ...lists, ciphers, extensions }), ja3Of(CHROME_143));
    }),
  );
  assert.notEqual(ja3Of({ ...CHROME_143, extensions: CHROME_143.extensions.toReversed() }), ja3Of(CHROME_143));
});

/** A hello in records of so many bytes. */
function inRecords(hello: TlsHello, recordBytes: number): Buffer {
  const u16 = (value: number) => Buffer.from([value >> 8, value & 0xff]);
  const vector = (size: 1 | 2, body: Buffer) =>
    Buffer.concat([size === 1 ? Buffer.from([body.length]) : u16(body.length), body]);
  const list = (values: readonly number[]) => Buffer.concat(values.map(u16));
  const bodies = new Map<number, Buffer>([
    [0, vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(hello.sni ?? ''))]))],
    [10, vector(2, list(hello.groups))],
    [11, vector(1, Buffer.from(hello.pointFormats))],
    [13, vector(2, list(hello.signatures))],
    [16, vector(2, Buffer.concat(hello.alpn.map((name) => vector(1, Buffer.from(name)))))],
    [43, vector(1, list(hello.versions))],
  ]);
  const extensions = hello.extensions.map((type) =>
    Buffer.concat([u16(type), vector(2, bodies.get(type) ?? Buffer.alloc(0))]),
  );
  const parts = [
    u16(hello.version),
    Buffer.alloc(33),
    vector(2, list(hello.ciphers)),
    Buffer.from([1, 0]),
    vector(2, Buffer.concat(extensions)),
  ];
  const body = Buffer.concat(parts);
  const message = Buffer.concat([Buffer.from([1, 0]), vector(2, body)]);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += recordBytes) {
    records.push(Buffer.from([0x16, 3, 1]), vector(2, message.subarray(at, at + recordBytes)));
  }
  return Buffer.concat(records);
}

test('read from bytes, one after the other and in records of any size, a hello has the same fingerprint', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 600 }), (recordBytes) => {
      const bytes = inRecords(PUBLISHED, recordBytes);
      const read = readHelloRecords(bytes);
      assert.ok(read);
      assert.equal(ja4Of(read), ja4Of(PUBLISHED));
      assert.equal(ja3Of(read), ja3Of(PUBLISHED));
    }),
    { numRuns: 50 },
  );
  const bytes = inRecords(PUBLISHED, 100);
  for (let length = 0; length < bytes.length; length++) assert.equal(readHelloRecords(bytes.subarray(0, length)), null);
});
