import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readIpPacket } from './ip-packet.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex');

/** A segment from port 50000 to 443, sequence number 7, PSH and ACK, with an option of 4 bytes and the payload "hi". */
const TCP = hex('c350 01bb 00000007 00000001 60 18 ffff 0000 0000 02040218 6869');
const VERSION_4 = Buffer.concat([hex('45000000 00014000 40060000 c6336417 cb007107'), TCP]);
VERSION_4.writeUInt16BE(VERSION_4.length, 2);
const HOSTS_6 = '20010db8000000000000000000000001 20010db8000000000000000000000002';
const VERSION_6 = Buffer.concat([hex(`60000000 0000 06 40 ${HOSTS_6}`), TCP]);
VERSION_6.writeUInt16BE(TCP.length, 4);
const WITH_EXTENSION = Buffer.concat([hex(`60000000 0000 00 40 ${HOSTS_6}`), hex('06 00 010400000000'), TCP]);
WITH_EXTENSION.writeUInt16BE(TCP.length + 8, 4);

const ETHERNET = hex('020000000001 020000000002');

/** By name: LINKTYPE and frame. */
const FRAMES: readonly (readonly [name: string, link: number, bytes: Buffer, host: string])[] = [
  ['Ethernet, padded', 1, Buffer.concat([ETHERNET, hex('0800'), VERSION_4, Buffer.alloc(6)]), '203.0.113.7'],
  ['Ethernet with a VLAN', 1, Buffer.concat([ETHERNET, hex('8100 0005 0800'), VERSION_4]), '203.0.113.7'],
  ['Ethernet, IPv6', 1, Buffer.concat([ETHERNET, hex('86dd'), VERSION_6]), '2001:db8::2'],
  ['raw IP', 101, VERSION_4, '203.0.113.7'],
  ['raw IPv6 with an extension header', 229, WITH_EXTENSION, '2001:db8::2'],
  ['loopback of BSD', 0, Buffer.concat([hex('02000000'), VERSION_4]), '203.0.113.7'],
  ['Linux cooked', 113, Buffer.concat([hex('0000 0001 0006 020000000001 0000 0800'), VERSION_4]), '203.0.113.7'],
  [
    'Linux cooked, version 2',
    276,
    Buffer.concat([hex('86dd 0000 00000002 0001 00 06 0200000000010000'), VERSION_6]),
    '2001:db8::2',
  ],
];

for (const [name, link, bytes, host] of FRAMES) {
  test(`${name}: a segment is read`, () => {
    const packet = readIpPacket({ atMs: 0, link, bytes });
    assert.ok(packet);
    assert.deepEqual(packet.target, { host, port: 443 });
    assert.equal(packet.source.port, 50_000);
    assert.deepEqual([packet.transport, packet.sequence, packet.flags], ['tcp', 7, 0x18]);
    assert.equal(packet.payload.toString(), 'hi');
  });
}

test('a later fragment, another protocol, an unknown link and a frame cut short are passed over', () => {
  const fragment = Buffer.from(VERSION_4);
  fragment.writeUInt16BE(0x0010, 6);
  const other = Buffer.from(VERSION_4);
  other[9] = 1;
  assert.equal(readIpPacket({ atMs: 0, link: 101, bytes: fragment }), null);
  assert.equal(readIpPacket({ atMs: 0, link: 101, bytes: other }), null);
  assert.equal(readIpPacket({ atMs: 0, link: 999, bytes: VERSION_4 }), null);
  assert.equal(readIpPacket({ atMs: 0, link: 101, bytes: VERSION_4.subarray(0, 30) }), null);
});
