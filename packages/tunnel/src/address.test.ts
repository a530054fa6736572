import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatAddress, parseAddress, parsePort } from './address.ts';
import { TunnelError } from './errors.ts';

const isBadParams = (error: unknown) => error instanceof TunnelError && error.code === 'bad-params';

test('reads and writes both versions', () => {
  const cases = [
    ['203.0.113.7:443', { host: '203.0.113.7', port: 443 }],
    ['0.0.0.0:0', { host: '0.0.0.0', port: 0 }],
    ['[2001:db8::7]:65535', { host: '2001:db8::7', port: 65535 }],
    ['[::]:1', { host: '::', port: 1 }],
    ['[::ffff:192.0.2.1]:80', { host: '::ffff:192.0.2.1', port: 80 }],
  ] as const;
  for (const [text, address] of cases) {
    assert.deepEqual(parseAddress(text), address);
    assert.equal(formatAddress(address), text);
  }
});

test('refuses everything else, and does not repeat it', () => {
  const refused = [
    '',
    ':',
    ':80',
    '198.51.100.7',
    '198.51.100.7:',
    '198.51.100.7:65536',
    '198.51.100.7:-1',
    '198.51.100.7:+1',
    '198.51.100.7:01',
    '198.51.100.7:1e3',
    '198.51.100.7: 80',
    ' 198.51.100.7:80',
    '198.51.100.07:80',
    '198.51.100.256:80',
    '0x7f.1:80',
    'example.org:80',
    '2001:db8::9:80',
    '[198.51.100.7]:80',
    '[2001:db8::9:80',
    '[fe80::1%eth0]:80',
    '[2001:db8::9]',
    `[${'0:'.repeat(100)}1]:80`,
    '9'.repeat(1_000_000),
  ];
  for (const text of refused) {
    assert.throws(() => parseAddress(text), isBadParams, text.slice(0, 60));
    try {
      parseAddress(text);
    } catch (error) {
      assert.ok(error instanceof Error && (text.length < 3 || !error.message.includes(text)));
    }
  }
  for (const text of ['', '70000', '1.5', '٣']) assert.throws(() => parsePort(text), isBadParams);
});

test('any address survives being written and read', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(fc.record({ host, port: fc.nat(65535) }, { noNullPrototype: true }), (address) => {
      assert.deepEqual(parseAddress(formatAddress(address)), address);
    }),
  );
});

test('any text is either an address or a typed error', () => {
  const text = fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:.[\]%]{0,60}$/));
  fc.assert(
    fc.property(text, (input) => {
      try {
        assert.equal(formatAddress(parseAddress(input)), input);
      } catch (error) {
        assert.ok(isBadParams(error), String(error));
      }
    }),
  );
});
