import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResetCode } from '@rozan/protocol';
import fc from 'fast-check';
import { Socks5Machine, type SocksEvent, socksReply, socksReplyFor } from './socks5-machine.ts';

function feed(hex: string): SocksEvent[] {
  return new Socks5Machine().receive(Buffer.from(hex, 'hex'));
}

function feedByteByByte(bytes: Buffer): SocksEvent[] {
  const machine = new Socks5Machine();
  return [...bytes].flatMap((_, index) => machine.receive(bytes.subarray(index, index + 1)));
}

const NAME = Buffer.from('example.org');
const CONNECT_NAME = `05010003${NAME.length.toString(16).padStart(2, '0')}${NAME.toString('hex')}01bb`;

/** Handshakes that succeed: bytes, and where they lead. */
const VECTORS: readonly (readonly [name: string, hex: string, host: string, port: number])[] = [
  ['a name', `050100${CONNECT_NAME}`, 'example.org', 443],
  ['IPv4', '050100050100017f0000011f90', '127.0.0.1', 8080],
  ['IPv6', '0501000501000420010db80000000000000000000000010050', '2001:db8::1', 80],
  ['user name and password', `0501020104757365720470617373${CONNECT_NAME}`, 'example.org', 443],
  ['empty user name and password', `050102010000${CONNECT_NAME}`, 'example.org', 443],
  ['no authentication preferred over a password', `05020200${CONNECT_NAME}`, 'example.org', 443],
  ['GSSAPI offered too', `05020100${CONNECT_NAME}`, 'example.org', 443],
  ['an IPv4 address sent as a name', '05010005010003093132372e302e302e310050', '127.0.0.1', 80],
  ['an IPv6 address sent as a name', '05010005010003033a3a310050', '::1', 80],
  ['an international name', '0501000501000308d985d8ab2e636f6d0050', 'xn--qgb5c.com', 80],
  ['SOCKS4', '04010050c633640172616c706800', '198.51.100.1', 80],
  ['SOCKS4a', '040100500000000100612e6200', 'a.b', 80],
];

for (const [name, hex, host, port] of VECTORS) {
  test(`SOCKS: ${name}`, () => {
    const events = feed(hex);
    const last = events.at(-1);
    assert.ok(last?.type === 'connect', JSON.stringify(events));
    assert.deepEqual(last.target, { host, port });
    assert.equal(last.rest.length, 0);
    assert.deepEqual(feedByteByByte(Buffer.from(hex, 'hex')), events);
  });
}

test('SOCKS: what comes behind the request is handed on', () => {
  const early = Buffer.from('GET / HTTP/1.1\r\n');
  const last = new Socks5Machine().receive(Buffer.concat([Buffer.from(`050100${CONNECT_NAME}`, 'hex'), early])).at(-1);
  assert.ok(last?.type === 'connect');
  assert.deepEqual(last.rest, early);
});

test('SOCKS: UDP ASSOCIATE, whatever address the application says that it will send from', () => {
  for (const address of ['01000000000000', '017f0000011f90', '04000000000000000000000000000000010000', '030161270f']) {
    const hex = `050100050300${address}`;
    assert.deepEqual(feed(hex).at(-1), { type: 'associate' });
    assert.deepEqual(feedByteByByte(Buffer.from(hex, 'hex')), feed(hex));
  }
  assert.equal(
    socksReply(5, 'succeeded', { host: '::1', port: 258 }).toString('hex'),
    `05000004${'00'.repeat(15)}010102`,
  );
});

/** Handshakes that are refused: bytes, why, and the last answer. */
const REFUSED: readonly (readonly [name: string, hex: string, reason: string, answer: string])[] = [
  ['BIND', '05010005020001010203040050', 'command-not-supported', '05070001000000000000'],
  ['an unknown address type', '050100050100020102030405', 'address-type-not-supported', '05080001000000000000'],
  ['port 0', '050100050100017f0000010000', 'bad-target', '05010001000000000000'],
  ['an empty name', '05010005010003000050', 'bad-target', '05010001000000000000'],
  ['a name with a space', '05010005010003036120620050', 'bad-target', '05010001000000000000'],
  ['a name with a zero byte', '05010005010003036100620050', 'bad-target', '05010001000000000000'],
  ['no acceptable method', '050101', 'no-acceptable-method', '05ff'],
  ['no method at all', '0500', 'no-acceptable-method', '05ff'],
  ['another version inside', '05010004010001', 'malformed', '05010001000000000000'],
  ['another version of the login', '05010205', 'malformed', '0101'],
  ['SOCKS4 BIND', '04020050c633640100', 'command-not-supported', '005b000000000000'],
  ['SOCKS4 with an endless user id', `04010050c6336401${'61'.repeat(300)}`, 'malformed', '005b000000000000'],
  ['TLS', '1603010200010001fc0303', 'not-socks', ''],
];

for (const [name, hex, reason, answer] of REFUSED) {
  test(`SOCKS: refuses ${name}`, () => {
    const last = feed(hex).at(-1);
    assert.ok(last?.type === 'refused', JSON.stringify(last));
    assert.equal(last.reason, reason);
    assert.equal(last.bytes.toString('hex'), answer);
    assert.deepEqual(feedByteByByte(Buffer.from(hex, 'hex')).at(-1), last);
  });
}

test('SOCKS: a program that speaks HTTP is told so', () => {
  const last = new Socks5Machine().receive(Buffer.from('GET http://example.org/ HTTP/1.1\r\n')).at(-1);
  assert.ok(last?.type === 'refused');
  assert.equal(last.reason, 'not-socks');
  assert.match(last.bytes.toString(), /^HTTP\/1\.1 400 [\s\S]*This is a SOCKS proxy/);
});

test('SOCKS: the replies of RFC 1928 for every reason', () => {
  const expected: Record<ResetCode, number> = {
    cancelled: 1,
    refused: 5,
    unreachable: 3,
    'timed-out': 6,
    'name-not-found': 4,
    forbidden: 2,
    busy: 1,
    'connection-reset': 1,
    'session-lost': 1,
    'relay-shutdown': 1,
    internal: 1,
  };
  for (const [code, reply] of Object.entries(expected)) {
    assert.equal(socksReply(5, socksReplyFor(code as ResetCode))[1], reply, code);
    assert.equal(socksReply(4, socksReplyFor(code as ResetCode)).toString('hex'), '005b000000000000');
  }
  assert.equal(socksReply(5, 'succeeded').toString('hex'), '05000001000000000000');
  assert.equal(socksReply(4, 'succeeded').toString('hex'), '005a000000000000');
});

const handshakeLike = fc.oneof(
  fc.uint8Array({ maxLength: 700 }),
  fc
    .tuple(fc.constantFrom('050100', '050102', '0501020100', '04', '0401'), fc.uint8Array({ maxLength: 700 }))
    .map(([head, rest]) => Uint8Array.from([...Buffer.from(head, 'hex'), ...rest])),
);

test('SOCKS: garbage never throws, and how it is cut up changes nothing', () => {
  fc.assert(
    fc.property(handshakeLike, fc.array(fc.nat(700)), (garbage, cuts) => {
      const bytes = Buffer.from(garbage);
      const whole = new Socks5Machine().receive(bytes);
      const machine = new Socks5Machine();
      const marks = [0, ...cuts.filter((cut) => cut < bytes.length), bytes.length].sort((a, b) => a - b);
      const parts = marks.slice(1).flatMap((end, index) => machine.receive(bytes.subarray(marks[index], end)));
      const withoutRest = (event: SocksEvent) => ({ ...event, rest: undefined });
      assert.deepEqual(parts.map(withoutRest), whole.map(withoutRest));
      assert.ok(whole.filter(({ type }) => type !== 'reply').length <= 1);
    }),
    { numRuns: 1000 },
  );
});

test('SOCKS: every valid request comes out as it went in', () => {
  const label = fc.stringMatching(/^[a-z][a-z0-9]{0,20}$/);
  fc.assert(
    fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), fc.integer({ min: 1, max: 65535 }), (labels, port) => {
      const name = Buffer.from(labels.join('.'));
      const request = [5, 1, 0, 5, 1, 0, 3, name.length, ...name, port >> 8, port & 0xff];
      const last = new Socks5Machine().receive(Buffer.from(request)).at(-1);
      assert.ok(last?.type === 'connect');
      assert.deepEqual(last.target, { host: name.toString(), port });
    }),
  );
});

test('SOCKS: a handshake without end holds little memory and ends in a refusal', () => {
  const machine = new Socks5Machine();
  machine.receive(Buffer.from('040100500000000100', 'hex'));
  const events = Array.from({ length: 300 }, () => machine.receive(Buffer.from('a'))).flat();
  assert.equal(events.length, 1);
  assert.equal(events[0]?.type, 'refused');
});
