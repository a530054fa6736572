import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpAddress, parseIpAddress } from '@rozan/protocol';
import fc from 'fast-check';
import { type Cidr, cidrContains, parseCidr } from './cidr.ts';
import { type GuardRules, isAllowed, parseAllowRule } from './guard.ts';

const NO_RULES: GuardRules = { allow: [], ownAddresses: [] };

/** Blocks of which no address may be dialled, written down apart from the guard's own table. */
const FORBIDDEN_BLOCKS = [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.0.0.0/24'],
  ...['192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16', '198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ...['224.0.0.0/4', '240.0.0.0/4', '255.255.255.255/32'],
  ...['::/128', '::1/128', '::/96', '::ffff:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '100::/64', '2001::/32'],
  ...['2001:2::/48', '2001:10::/28', '2001:20::/28', '2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'],
  ...['4000::/3', '5f00::/16', '8000::/1', 'fc00::/7', 'fe80::/10', 'fec0::/10', 'ff00::/8', '1000::/4'],
];

const PUBLIC = [
  ...[
    '1.1.1.1',
    '8.8.8.8',
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '126.255.255.255',
    '128.0.0.1',
  ],
  ...[
    '169.253.255.255',
    '172.15.255.255',
    '172.32.0.0',
    '192.0.1.0',
    '192.167.255.255',
    '198.17.255.255',
    '198.20.0.0',
  ],
  ...['223.255.255.255', '2001:200::1', '2001:4860:4860::8888', '2003::1', '2606:4700::1111', '2a00::1', '3ffe::1'],
];

function known(text: string): Cidr {
  const block = parseCidr(text);
  assert.ok(block, text);
  return block;
}

/** Any address of a block. */
function inside(block: Cidr): fc.Arbitrary<Buffer> {
  const count = block.address.length;
  return fc.uint8Array({ minLength: count, maxLength: count }).map((bytes) => {
    const address = Buffer.from(block.address);
    for (let bit = block.prefixBits; bit < 8 * count; bit += 1) {
      const mask = 0x80 >> (bit & 7);
      address[bit >> 3] = (address[bit >> 3] ?? 0) | ((bytes[bit >> 3] ?? 0) & mask);
    }
    return address;
  });
}

test('nothing of a special-purpose block is allowed', () => {
  for (const text of FORBIDDEN_BLOCKS) {
    const block = known(text);
    const last = Buffer.alloc(block.address.length, 0xff);
    const check = (address: Buffer): void => {
      assert.ok(cidrContains(block, address));
      assert.equal(isAllowed(formatIpAddress(address), 443, NO_RULES), false, `${text}: ${formatIpAddress(address)}`);
    };
    check(block.address);
    fc.assert(fc.property(inside(block), check));
    if (block.prefixBits === 8 * last.length) continue;
    const end = Buffer.from(block.address);
    for (let bit = block.prefixBits; bit < 8 * end.length; bit += 1) {
      end[bit >> 3] = (end[bit >> 3] ?? 0) | (0x80 >> (bit & 7));
    }
    check(end);
  }
});

test('public unicast is allowed, and next to special blocks too', () => {
  for (const literal of PUBLIC) assert.equal(isAllowed(literal, 443, NO_RULES), true, literal);
});

test('IPv4 addresses wrapped into IPv6 are refused, whatever they are', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4, maxLength: 4 }), (bytes) => {
      const quad = bytes.join('.');
      const hex = Buffer.from(bytes)
        .toString('hex')
        .replace(/^(.{4})/, '$1:');
      for (const prefix of ['::ffff:', '::', '::ffff:0:', '64:ff9b::', '64:ff9b:1::']) {
        assert.equal(isAllowed(`${prefix}${quad}`, 443, NO_RULES), false, `${prefix}${quad}`);
      }
      assert.equal(isAllowed(`2002:${hex}::1`, 443, NO_RULES), false);
      assert.equal(isAllowed(`2001:0:${hex}::1`, 443, NO_RULES), false);
    }),
  );
});

test('SMTP and impossible ports are refused', () => {
  for (const port of [25, 0, -1, 65_536, 1.5, Number.NaN]) assert.equal(isAllowed('1.1.1.1', port, NO_RULES), false);
  for (const port of [1, 24, 26, 465, 587, 65_535]) assert.equal(isAllowed('1.1.1.1', port, NO_RULES), true);
});

test('what is not an address in standard notation is refused', () => {
  const texts = [
    '',
    'localhost',
    'example.org',
    '127.1',
    '0x8.8.8.8',
    '8.8.8',
    '134744072',
    '08.8.8.8',
    '8.8.8.8.',
    '[2606:4700::1111]',
  ];
  for (const text of [...texts, 'fe80::1%1', '2606:4700::1111%1', ' 8.8.8.8']) {
    assert.equal(isAllowed(text, 443, NO_RULES), false, text);
  }
  fc.assert(
    fc.property(fc.string(), (text) => {
      if (parseIpAddress(text) === undefined) assert.equal(isAllowed(text, 443, NO_RULES), false);
    }),
  );
});

test("the relay's own addresses are refused on every port, however they are written", () => {
  const rules: GuardRules = { allow: [], ownAddresses: ['9.9.9.9', '2606:4700:0:0::1'] };
  for (const literal of ['9.9.9.9', '2606:4700::1', '2606:4700:0000::0001']) {
    assert.equal(isAllowed(literal, 80, rules), false, literal);
  }
  assert.equal(isAllowed('9.9.9.8', 80, rules), true);
});

test('a rule opens exactly what it names', () => {
  const rule = parseAllowRule('127.0.0.1/32:8080');
  assert.ok(rule);
  const rules: GuardRules = { allow: [rule], ownAddresses: ['127.0.0.1'] };
  assert.equal(isAllowed('127.0.0.1', 8080, rules), true);
  assert.equal(isAllowed('127.0.0.1', 8081, rules), false);
  assert.equal(isAllowed('127.0.0.2', 8080, rules), false);
  assert.equal(isAllowed('::ffff:127.0.0.1', 8080, rules), false);
});

test('a rule without a port leaves SMTP shut; only a rule that names it opens it', () => {
  const open = (text: string, port: number): boolean => {
    const rule = parseAllowRule(text);
    assert.ok(rule);
    return isAllowed('10.0.0.5', port, { allow: [rule], ownAddresses: [] });
  };
  assert.equal(open('10.0.0.0/8', 443), true);
  assert.equal(open('10.0.0.0/8', 25), false);
  assert.equal(open('10.0.0.0/8:25', 25), true);
});

test('every form of a rule is read, and nothing else', () => {
  const ports = new Map<string, number | null>([
    ['10.0.0.0/8', null],
    ['10.0.0.1', null],
    ['10.0.0.1:80', 80],
    ['fd00::/8', null],
    ['::1', null],
    ['[::1]:80', 80],
    ['[fd00::/8]:443', 443],
    ['[fd00::/8]', null],
  ]);
  for (const [text, port] of ports) assert.equal(parseAllowRule(text)?.port, port, text);
  for (const text of [
    '',
    '10.0.0.0/8:0',
    '10.0.0.0/8:65536',
    '10.0.0.0/8:',
    '10.0.0.1/8',
    'localhost',
    '[::1',
    '[::1]x',
    '*',
  ]) {
    assert.equal(parseAllowRule(text), null, text);
  }
  fc.assert(fc.property(fc.string(), (text) => void parseAllowRule(text)));
});
