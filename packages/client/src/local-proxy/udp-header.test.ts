import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpAddress } from '@rozan/protocol';
import fc from 'fast-check';
import { readUdpHeader, writeUdpHeader } from './udp-header.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');

/** Headers that are taken: bytes, and where they lead. */
const VECTORS: readonly (readonly [name: string, hex: string, host: string, port: number])[] = [
  ['IPv4', '00000001c00002010035', '192.0.2.1', 53],
  ['IPv6', '0000000420010db800000000000000000000000101bb', '2001:db8::1', 443],
  ['a name', '00000003036e2e6101bb', 'n.a', 443],
  ['reserved bytes that are not zero', 'ffff0001c00002010035', '192.0.2.1', 53],
];

for (const [name, header, host, port] of VECTORS) {
  test(`SOCKS UDP: ${name}, with data and without`, () => {
    for (const data of ['', 'abcdef']) {
      const request = readUdpHeader(hex(header + data));
      assert.deepEqual(request, { target: { host, port }, headerBytes: header.length / 2 });
    }
  });

  test(`SOCKS UDP: ${name}, cut at any byte, is malformed`, () => {
    for (let length = 0; length < header.length / 2; length += 1) {
      assert.equal(readUdpHeader(hex(header).subarray(0, length)), 'malformed');
    }
  });
}

const REFUSED: readonly (readonly [name: string, hex: string, reason: string])[] = [
  ['a fragment', '00000101c00002010035', 'fragment'],
  ['the last fragment', '00008101c00002010035', 'fragment'],
  ['an unknown type of address', '00000002c00002010035', 'malformed'],
  ['port 0', '00000001c00002010000', 'bad-target'],
  ['an empty name', '0000000300003561', 'bad-target'],
  ['a name with a space', '00000003036120620035', 'bad-target'],
];

for (const [name, bytes, reason] of REFUSED) {
  test(`SOCKS UDP: refuses ${name}`, () => assert.equal(readUdpHeader(hex(bytes)), reason));
}

test('SOCKS UDP: any bytes have an outcome, and none is an exception', () => {
  const bytes = fc.tuple(
    fc.constantFrom('', '000000', '00000001', '00000003', '00000004'),
    fc.uint8Array({ maxLength: 300 }),
  );
  fc.assert(
    fc.property(bytes, ([head, rest]) => {
      const datagram = Buffer.concat([hex(head), rest]);
      const request = readUdpHeader(datagram);
      if (typeof request !== 'string') assert.ok(request.headerBytes <= datagram.length);
    }),
    { numRuns: 1000 },
  );
});

test('SOCKS UDP: the source of an answer reads as it was written', () => {
  const address = fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }),
    fc.uint8Array({ minLength: 16, maxLength: 16 }),
  );
  fc.assert(
    fc.property(address, fc.integer({ min: 1, max: 65_535 }), (bytes, port) => {
      const host = formatIpAddress(Buffer.from(bytes));
      const header = writeUdpHeader({ host, port });
      assert.equal(header[3], bytes.length === 4 ? 1 : 4);
      assert.equal(header.subarray(4, -2).toString('hex'), Buffer.from(bytes).toString('hex'));
      assert.equal(header.readUInt16BE(header.length - 2), port);
      const request = readUdpHeader(header);
      assert.ok(typeof request !== 'string');
      assert.equal(request.target.port, port);
    }),
  );
});
