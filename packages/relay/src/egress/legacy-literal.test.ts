import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readHost } from './legacy-literal.ts';

test('every notation of an IPv4 address is an address', () => {
  const notations = [
    ...[
      '127.0.0.1',
      '127.1',
      '127.0.1',
      '0x7f.1',
      '0x7f.0.0.1',
      '0X7F000001',
      '2130706433',
      '017700000001',
      '0177.0.0.1',
    ],
    ...['127.0.0.1.', '127.0x0.0.01', '00000177.0.0.1', '0x7f.0.0x1'],
  ];
  for (const host of notations) assert.deepEqual(readHost(host), { kind: 'address', address: '127.0.0.1' }, host);
});

test('IPv6 is an address with or without brackets or a zone', () => {
  for (const host of ['fe80::1', '[fe80::1]', 'fe80::1%eth0', '[fe80::1%25eth0]']) {
    assert.deepEqual(readHost(host), { kind: 'address', address: 'fe80::1' }, host);
  }
});

test('a host that ends in a number and is no address is malformed, and never asked for', () => {
  for (const host of [
    '256.0.0.1',
    '1.2.3.4.5',
    '127.0.0.08',
    '1.2.3.0x100',
    '4294967296',
    'example.1',
    'a.0x1',
    '1..1',
    ':',
    '1:2',
    '[::1',
  ]) {
    assert.deepEqual(readHost(host), { kind: 'malformed' }, host);
  }
});

test('names are names', () => {
  for (const host of ['localhost', 'example.org', 'example.org.', '1e100.net', '0x7f.example', 'xn--p1ai', '1.a']) {
    assert.deepEqual(readHost(host), { kind: 'name' }, host);
  }
});

test('one to four parts in any base mean what inet_aton says', () => {
  const base = fc.constantFrom(8, 10, 16);
  const value = fc.nat({ max: 0xffff_ffff });
  const write = (part: number, radix: number): string => {
    if (radix === 16) return `0x${part.toString(16)}`;
    return radix === 8 ? `0${part.toString(8)}` : String(part);
  };
  fc.assert(
    fc.property(
      value,
      fc.integer({ min: 1, max: 4 }),
      fc.array(base, { minLength: 4, maxLength: 4 }),
      (number, count, bases) => {
        const parts: string[] = [];
        for (let index = 0; index < count; index += 1) {
          const shift = 8 * (3 - index);
          const part = index === count - 1 ? number % 2 ** (shift + 8) : Math.floor(number / 2 ** shift) % 256;
          parts.push(write(part, bases[index] ?? 10));
        }
        const address = [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join('.');
        assert.deepEqual(readHost(parts.join('.')), { kind: 'address', address });
      },
    ),
  );
  fc.assert(fc.property(fc.string(), (text) => void readHost(text)));
});
