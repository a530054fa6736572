// Everything that reads what came over a wire, or from a file: known answers, bytes one at a time, and rubbish.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { makePcap } from '../testing/pcap.ts';
import { CaptureError, readCapture } from './capture-file.ts';
import { readIpPacket } from './ip-packet.ts';
import { judgePcap } from './judge-pcap.ts';
import { openings, quicInitial } from './openings.ts';
import { findPolicy } from './policies.ts';
import { dnsQueryName } from './protocols.ts';
import { initialKeys, readQuicHello } from './quic-initial.ts';
import { readHelloRecords } from './tls-hello.ts';

function openingBytes(name: string): Buffer {
  const [first] = openings.get(name)?.(new SeededRandom(1), 'www.example.com').packets ?? [];
  assert.ok(first);
  return first[1];
}

test('the keys of an Initial are those of RFC 9001, appendix A.1', () => {
  const keys = initialKeys(1, Buffer.from('8394c8f03e515708', 'hex'));
  assert.equal(keys?.key.toString('hex'), '1f369613dd76d5467730efcbe3b1a22d');
  assert.equal(keys?.iv.toString('hex'), 'fa044b2f42a3fd3b46fb255c');
  assert.equal(keys?.header.toString('hex'), '9f50449e04a0e810283a1e9933adedd2');
});

test('the name in an Initial is read, in both versions; what is cut short, spoilt or of no known version is not', () => {
  for (const version of [1, 0x6b3343cf]) {
    const packet = quicInitial(new SeededRandom(2), 'www.example.com', version);
    assert.equal(readQuicHello(packet)?.sni, 'www.example.com');
    for (const length of [0, 5, 20, 100, packet.length - 1])
      assert.equal(readQuicHello(packet.subarray(0, length)), null);
    packet[200] = (packet[200] ?? 0) ^ 1;
    assert.equal(readQuicHello(packet), null);
  }
});

test('a ClientHello that comes byte by byte is told once it is whole, and not before', () => {
  const hello = openingBytes('tls');
  for (let length = 0; length < hello.length; length++) assert.equal(readHelloRecords(hello.subarray(0, length)), null);
  const read = readHelloRecords(hello);
  assert.ok(read);
  assert.equal(read.sni, 'www.example.com');
  assert.deepEqual(read.alpn, ['h2', 'http/1.1']);
});

test('rubbish is no hello, no Initial, no query, no packet, and nothing throws', () => {
  const starts = [...openings.keys()].map(openingBytes);
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const spoilt = fc.tuple(fc.constantFrom(...starts), fc.nat(2000), fc.nat(255)).map(([start, at, value]) => {
    const copy = Buffer.from(start);
    copy[at % copy.length] = value;
    return copy.subarray(0, 1 + (at % copy.length) + value);
  });
  const check = fc.property(fc.oneof(bytes, spoilt), fc.constantFrom(0, 1, 101, 113, 276, 7), (input, link) => {
    readHelloRecords(input);
    readQuicHello(input);
    dnsQueryName(input);
    readIpPacket({ atMs: 0, link, bytes: input });
  });
  fc.assert(check, { numRuns: 2000 });
});

function captureOf(name: string): Buffer {
  const { packets } = openings.get(name)?.(new SeededRandom(1), 'blocked.example') ?? { packets: [] };
  return makePcap(
    packets.map(([from, bytes]) => ({ from, bytes })),
    443,
  );
}

/** The same packets in a file of the newer format, in either byte order. */
function toNextGeneration(classic: Buffer, isBig: boolean): Buffer {
  const uint32 = (value: number): Buffer => {
    const bytes = Buffer.alloc(4);
    if (isBig) bytes.writeUInt32BE(value);
    else bytes.writeUInt32LE(value);
    return bytes;
  };
  const block = (type: number, body: Buffer): Buffer => {
    const padded = Buffer.concat([body, Buffer.alloc((4 - (body.length % 4)) % 4)]);
    const length = uint32(padded.length + 12);
    return Buffer.concat([uint32(type), length, padded, length]);
  };
  const version = isBig ? Buffer.of(0, 1, 0, 0) : Buffer.of(1, 0, 0, 0);
  const parts = [
    block(0x0a0d0d0a, Buffer.concat([uint32(0x1a2b3c4d), version, Buffer.alloc(8, 0xff)])),
    block(1, Buffer.concat([isBig ? Buffer.of(0, 1, 0, 0) : Buffer.of(1, 0, 0, 0), uint32(65_535)])),
  ];
  for (const { atMs, bytes } of readCapture(classic)) {
    const us = Math.round(atMs * 1000);
    const head = [0, Math.floor(us / 2 ** 32), us % 2 ** 32, bytes.length, bytes.length].map(uint32);
    parts.push(block(6, Buffer.concat([...head, bytes])));
  }
  return Buffer.concat(parts);
}

test('a capture is judged alike in both formats and byte orders, and its log names no address', () => {
  const policies = [findPolicy('C13-cn'), findPolicy('C03-drop'), findPolicy('C25-paper')];
  const classic = captureOf('tls');
  const judged = judgePcap(classic, policies);
  assert.equal(judged.flows, 1);
  assert.deepEqual(
    judged.policies.map(({ id, acted }) => [id, acted]),
    [
      ['C13-cn', [1]],
      ['C03-drop', [1]],
      ['C25-paper', []],
    ],
  );
  const [first] = judged.policies[0]?.log ?? [];
  assert.equal(first?.act, 'reset');
  assert.doesNotMatch(JSON.stringify(judged), /203\.0\.113|198\.51\.100/);
  for (const isBig of [true, false]) assert.deepEqual(judgePcap(toNextGeneration(classic, isBig), policies), judged);
});

test('a capture that was stopped ends where it ends, and rubbish is said to be none', () => {
  const classic = captureOf('random');
  for (const file of [classic, toNextGeneration(classic, true)]) {
    const whole = readCapture(file).length;
    for (let length = 28; length < file.length; length += 7) {
      const packets = readCapture(file.subarray(0, length));
      assert.ok(packets.length <= whole);
    }
  }
  assert.throws(() => readCapture(Buffer.from('not a capture at all')), CaptureError);
  const check = fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (rubbish, isNew) => {
    const start = isNew ? toNextGeneration(classic, true).subarray(0, 60) : classic.subarray(0, 24);
    judgePcap(Buffer.concat([start, rubbish]), []);
  });
  fc.assert(check, { numRuns: 500 });
});
