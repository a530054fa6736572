import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ByteReader } from './bytes.ts';
import { ProtocolError, type ProtocolErrorCode } from './errors.ts';
import {
  decodeTarget,
  encodeTarget,
  formatHostPort,
  formatIpAddress,
  parseHostPort,
  parseIpAddress,
  readTarget,
} from './target.ts';

const port = fc.integer({ min: 1, max: 0xffff });
const label = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
const name = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 8 }), fc.constantFrom('', '.'))
  .map(([labels, dot]) => labels.join('.') + dot)
  .filter((text) => parseIpAddress(text) === undefined);
const address = fc.oneof(
  fc.uint8Array({ minLength: 4, maxLength: 4 }),
  fc.uint8Array({ minLength: 16, maxLength: 16 }),
  // Many zero groups, which is where the shortening happens.
  fc.array(fc.constantFrom(0, 0, 0, 1), { minLength: 16, maxLength: 16 }).map((bytes) => Uint8Array.from(bytes)),
);
const host = fc.oneof(
  name,
  address.map((bytes) => formatIpAddress(Buffer.from(bytes))),
);
const target = fc.record({ host, port }, { noNullPrototype: true });

function refusedWith(code: ProtocolErrorCode): (error: unknown) => boolean {
  return (error) => error instanceof ProtocolError && error.code === code;
}

describe('target', () => {
  it('comes out as it went in', () => {
    fc.assert(fc.property(target, (value) => assert.deepEqual(decodeTarget(encodeTarget(value)), value)));
  });

  it('has the layout of the specification', () => {
    assert.equal(encodeTarget({ host: '192.0.2.1', port: 443 }).toString('hex'), '01c000020101bb');
    const ipv6 = encodeTarget({ host: '2001:DB8:0::1', port: 80 });
    assert.equal(ipv6.toString('hex'), '0220010db8000000000000000000000001' + '0050');
    assert.equal(
      encodeTarget({ host: 'a.example', port: 1 }).toString('hex'),
      `0309${Buffer.from('a.example').toString('hex')}0001`,
    );
  });

  it('is refused at every length but its own', () => {
    fc.assert(
      fc.property(target, (value) => {
        const bytes = encodeTarget(value);
        for (let length = 0; length < bytes.length; length += 1) {
          assert.throws(() => decodeTarget(bytes.subarray(0, length)), refusedWith('truncated'));
        }
        assert.throws(() => decodeTarget(Buffer.concat([bytes, Buffer.of(0)])), refusedWith('malformed'));
      }),
    );
  });

  it('is read out of the middle of a frame', () => {
    fc.assert(
      fc.property(target, target, (first, second) => {
        const reader = new ByteReader(Buffer.concat([encodeTarget(first), encodeTarget(second), Buffer.of(7)]));
        assert.deepEqual([readTarget(reader), readTarget(reader), reader.uint8()], [first, second, 7]);
      }),
    );
  });

  it('is one of the accepted forms or a typed refusal, whatever the bytes', () => {
    const kinds = fc.tuple(fc.constantFrom(0, 1, 2, 3, 4), fc.uint8Array({ maxLength: 40 }));
    fc.assert(
      fc.property(kinds, ([kind, tail]) => {
        const bytes = Buffer.from([kind, ...tail]);
        try {
          assert.deepEqual(encodeTarget(decodeTarget(bytes)), bytes);
        } catch (error) {
          assert.ok(error instanceof ProtocolError, String(error));
        }
      }),
    );
  });

  it('refuses what is no host', () => {
    const longName = `${'a'.repeat(63)}.`.repeat(4);
    assert.equal(longName.length, 256);
    const refused: readonly (readonly [string, ProtocolErrorCode])[] = [
      ['', 'malformed'],
      ['.', 'malformed'],
      ['a..example', 'malformed'],
      ['.example', 'malformed'],
      ['a b', 'malformed'],
      ['a\0b', 'malformed'],
      ['münchen.example', 'malformed'],
      ['[::1]', 'malformed'],
      ['::1%lo', 'malformed'],
      ['a/b', 'malformed'],
      [`${'a'.repeat(64)}.example`, 'malformed'],
      [longName, 'out-of-bounds'],
    ];
    for (const [text, code] of refused)
      assert.throws(() => encodeTarget({ host: text, port: 1 }), refusedWith(code), text);
    assert.equal(decodeTarget(encodeTarget({ host: longName.slice(0, -1), port: 1 })).host.length, 255);
  });

  it('tells that international names come as punycode', () => {
    assert.throws(() => encodeTarget({ host: 'پیام.example', port: 1 }), /punycode/);
  });

  it('refuses ports out of range both ways', () => {
    for (const bad of [0, -1, 65_536, 1.5, Number.NaN]) {
      assert.throws(() => encodeTarget({ host: 'a', port: bad }), refusedWith('out-of-bounds'));
    }
    assert.throws(() => decodeTarget(Buffer.from('0301610000', 'hex')), refusedWith('out-of-bounds'));
  });

  it('refuses an address that poses as a name', () => {
    const posing = Buffer.concat([Buffer.of(3, 9), Buffer.from('127.0.0.1'), Buffer.of(0, 80)]);
    assert.throws(() => decodeTarget(posing), refusedWith('malformed'));
  });
});

describe('IP addresses as text', () => {
  it('come back the same from their own form', () => {
    fc.assert(
      fc.property(address, (bytes) => {
        const text = formatIpAddress(Buffer.from(bytes));
        assert.deepEqual(parseIpAddress(text), Buffer.from(bytes), text);
      }),
    );
  });

  it('are read in every notation of RFC 4291 and written in that of RFC 5952', () => {
    const pairs = [
      ['2001:0db8:0000:0000:0000:0000:0000:0001', '2001:db8::1'],
      ['2001:DB8::0:1', '2001:db8::1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:db8::1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['1::', '1::'],
      ['::1', '::1'],
      ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
      ['::ffff:c000:201', '::ffff:192.0.2.1'],
      ['64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
      ['1:2:3:4:5:6:1.2.3.4', '1:2:3:4:5:6:102:304'],
      ['1::2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ] as const;
    for (const [text, written] of pairs) {
      const bytes = parseIpAddress(text);
      assert.ok(bytes, text);
      assert.equal(formatIpAddress(bytes), written);
    }
  });

  it('are nothing where the text is not one', () => {
    const texts = [
      '',
      ':',
      ':::',
      '::1::',
      '1:2:3:4:5:6:7',
      '1:2:3:4:5:6:7:8:9',
      '1::2:3:4:5:6:7:8',
      '12345::',
      'g::',
      ':1:2:3:4:5:6:7',
      '::1%eth0',
      '[::1]',
      '1.2.3.4::',
      '::1.2.3',
      '::1.2.3.4:5',
      '::01.2.3.4',
      '1.2.3',
      '1.2.3.4.5',
      '256.0.0.1',
      '01.2.3.4',
      '0x7f.0.0.1',
      ' 1.2.3.4',
      '1.2.3.4.',
    ];
    for (const text of texts) assert.equal(parseIpAddress(text), undefined, text);
    assert.throws(() => formatIpAddress(Buffer.alloc(5)), refusedWith('malformed'));
  });
});

describe('host:port', () => {
  it('comes out as it went in', () => {
    fc.assert(fc.property(target, (value) => assert.deepEqual(parseHostPort(formatHostPort(value)), value)));
  });

  it('puts IPv6 in brackets, and nothing else', () => {
    assert.equal(formatHostPort({ host: '2001:db8::1', port: 443 }), '[2001:db8::1]:443');
    assert.equal(formatHostPort({ host: 'a.example', port: 443 }), 'a.example:443');
    for (const text of [
      '[192.0.2.1]:1',
      '[a.example]:1',
      '2001:db8::1:443',
      '[::1]',
      '[::1]:',
      'a',
      ':1',
      'a:1 ',
      'a:b',
    ]) {
      assert.throws(() => parseHostPort(text), refusedWith('malformed'), text);
    }
    for (const text of ['a:0', 'a:65536', '[::1]:99999']) {
      assert.throws(() => parseHostPort(text), refusedWith('out-of-bounds'), text);
    }
  });
});
