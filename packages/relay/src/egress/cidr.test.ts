import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpAddress } from '@rozan/protocol';
import fc from 'fast-check';
import { cidrContains, maskAddress, parseCidr } from './cidr.ts';

const address = fc
  .oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 }))
  .map((bytes) => Buffer.from(bytes));

/** The slow way: bit by bit. */
function bitsOf(bytes: Buffer): string {
  return [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
}

test('a block contains exactly the addresses that share its prefix', () => {
  const cases = address.chain((base) =>
    fc.record({
      base: fc.constant(base),
      prefixBits: fc.nat({ max: 8 * base.length }),
      flips: fc.array(fc.nat({ max: 8 * base.length - 1 }), { maxLength: 3 }),
    }),
  );
  fc.assert(
    fc.property(cases, ({ base, prefixBits, flips }) => {
      const other = Buffer.from(base);
      for (const bit of flips) other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
      const block = { address: maskAddress(base, prefixBits), prefixBits };
      const expected = bitsOf(base).slice(0, prefixBits) === bitsOf(other).slice(0, prefixBits);
      assert.equal(cidrContains(block, other), expected);
      assert.equal(cidrContains(block, base), true);
    }),
  );
});

test('a written block reads back as it was', () => {
  const cases = address.chain((base) => fc.tuple(fc.constant(base), fc.nat({ max: 8 * base.length })));
  fc.assert(
    fc.property(cases, ([base, prefixBits]) => {
      const masked = maskAddress(base, prefixBits);
      const block = parseCidr(`${formatIpAddress(masked)}/${prefixBits}`);
      assert.deepEqual(block, { address: masked, prefixBits });
    }),
  );
});

test('a bare address is a block of one', () => {
  assert.equal(parseCidr('192.0.2.1')?.prefixBits, 32);
  assert.equal(parseCidr('2001:db8::1')?.prefixBits, 128);
});

test('what is no block is refused', () => {
  const wrong = [
    '',
    '/',
    '1.2.3/8',
    '10.0.0.0/33',
    '10.0.0.1/8',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    'fe80::1%1/64',
    '::/129',
    'x/8',
  ];
  for (const text of wrong) assert.equal(parseCidr(text), null, text);
  fc.assert(fc.property(fc.string(), (text) => void parseCidr(text)));
});
