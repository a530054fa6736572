import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from './errors.ts';
import {
  entryTag,
  entryValidity,
  parseServerEntry,
  relayId,
  type ServerEntryFields,
  signServerEntry,
} from './server-entry.ts';
import { formatShareLink, parseShareLink } from './share-link.ts';
import vectors from './vectors/server-entry.json' with { type: 'json' };

const privateKey = Buffer.from(vectors.privateKey, 'hex');

const key32 = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const seconds = fc.integer({ min: 0, max: 4_000_000_000 });
const address = fc.oneof(
  fc.ipV4().map((host) => `${host}:443`),
  fc.ipV6().map((host) => `[${host}]:8443`),
  fc.stringMatching(/^[a-z0-9-]{1,30}\.example$/).map((host) => `${host}:80`),
);
const transport = fc.record(
  {
    transport: fc.stringMatching(/^[a-z][a-z0-9-]{0,31}$/),
    addresses: fc.array(address, { minLength: 1, maxLength: 3 }),
    params: fc.dictionary(fc.stringMatching(/^[a-z]{1,8}$/), fc.oneof(fc.string(), fc.integer(), fc.boolean()), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
  },
  { noNullPrototype: true },
);
const fieldsArbitrary: fc.Arbitrary<ServerEntryFields> = fc
  .record(
    {
      key: key32,
      secret: key32,
      channel: fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/),
      region: fc.stringMatching(/^[A-Z]{2}$/),
      issued: seconds,
      lifetime: fc.integer({ min: 1, max: 100_000_000 }),
      transports: fc.array(transport, { minLength: 1, maxLength: 3 }),
    },
    { requiredKeys: ['key', 'secret', 'issued', 'lifetime', 'transports'] },
  )
  .map(({ issued, lifetime, ...rest }) => ({
    ...rest,
    issuedMs: issued * 1000,
    expiresMs: (issued + lifetime) * 1000,
  }));

function fieldsOf(vector: (typeof vectors.valid)[number]): ServerEntryFields {
  const { key, secret, issued, expires, ...rest } = vector.fields;
  return {
    ...rest,
    key: Buffer.from(key, 'hex'),
    secret: Buffer.from(secret, 'hex'),
    issuedMs: issued * 1000,
    expiresMs: expires * 1000,
    transports: rest.transports,
  };
}

const [firstVector] = vectors.valid;
assert.ok(firstVector);
const goodBytes = Buffer.from(firstVector.envelope, 'hex');
const good = fieldsOf(firstVector);

describe('server entry: vectors', () => {
  for (const vector of vectors.valid) {
    it(`reads: ${vector.name}`, () => {
      const { entry, validity } = parseServerEntry(Buffer.from(vector.envelope, 'hex'));
      const fields = fieldsOf(vector);
      const signer = Buffer.from(vectors.publicKey, 'hex');
      assert.deepEqual(entry, { ...fields, relay: vector.relay, tag: vector.tag, signer });
      assert.equal(validity, 'unjudged');
      assert.equal(relayId(fields.key), vector.relay);
      assert.equal(entryTag(fields), vector.tag);
    });
  }

  for (const vector of vectors.valid.slice(0, -1)) {
    it(`writes: ${vector.name}`, () => {
      assert.equal(signServerEntry(fieldsOf(vector), privateKey).toString('hex'), vector.envelope);
    });
  }

  for (const vector of vectors.invalid) {
    it(`refuses (${vector.code}): ${vector.name}`, () => {
      assert.throws(() => parseServerEntry(Buffer.from(vector.envelope, 'hex')), {
        name: 'ProtocolError',
        code: vector.code,
      });
    });
  }

  for (const { nowMs, validity } of vectors.validityOfTheFirst) {
    it(`is ${validity} at ${nowMs}`, () => {
      const parsed = parseServerEntry(goodBytes, { nowMs });
      assert.equal(parsed.validity, validity);
      assert.equal(entryValidity(parsed.entry, nowMs), validity);
    });
  }
});

describe('server entry', () => {
  it('comes out of signing, a link and parsing as it went in', () => {
    fc.assert(
      fc.property(fieldsArbitrary, key32, (fields, seed) => {
        const bytes = signServerEntry(fields, seed);
        const { relay, tag, signer, ...read } = parseServerEntry(parseShareLink(formatShareLink(bytes))).entry;
        assert.deepEqual(read, fields);
        assert.deepEqual([relay.length, tag.length, signer.length], [22, 11, 32]);
        assert.deepEqual(signServerEntry(read, seed), bytes);
      }),
    );
  });

  it('is refused with any one byte changed, whichever bit', () => {
    for (let index = 0; index < goodBytes.length; index += 1) {
      for (const mask of [0x01, 0x20, 0x80, 0xff]) {
        const changed = Buffer.from(goodBytes);
        changed.writeUInt8(changed.readUInt8(index) ^ mask, index);
        assert.throws(() => parseServerEntry(changed), ProtocolError, `byte ${index}`);
      }
    }
  });

  it('is refused at every length but its own', () => {
    for (let length = 0; length < goodBytes.length; length += 1) {
      assert.throws(() => parseServerEntry(goodBytes.subarray(0, length)), ProtocolError, `length ${length}`);
    }
  });

  it('is a typed refusal for any other bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5000 }), fc.boolean(), (tail, versioned) => {
        const bytes = Buffer.from(versioned ? [1, ...tail] : tail);
        assert.throws(() => parseServerEntry(bytes), ProtocolError);
      }),
    );
  });

  it('is a typed refusal for any JSON as its payload', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        assert.throws(
          () => parseServerEntry(Buffer.concat([goodBytes.subarray(0, 73), Buffer.from(json)])),
          ProtocolError,
        );
      }),
    );
  });

  it('cannot be given to another signer', () => {
    const other = signServerEntry(good, Buffer.alloc(32, 7));
    const mixed = Buffer.concat([other.subarray(0, 73), goodBytes.subarray(73)]);
    assert.throws(() => parseServerEntry(mixed), { code: 'not-authentic' });
  });

  it('is frozen to its depth', () => {
    const { entry } = parseServerEntry(goodBytes);
    const [first] = entry.transports;
    assert.ok(first);
    for (const part of [entry, entry.transports, first, first.addresses, first.params])
      assert.ok(Object.isFrozen(part));
  });

  it('is not signed where it would not be accepted', () => {
    const refused: readonly (readonly [Partial<ServerEntryFields>, string])[] = [
      [{ key: Buffer.alloc(31) }, 'out-of-bounds'],
      [{ secret: Buffer.alloc(33) }, 'out-of-bounds'],
      [{ channel: '' }, 'malformed'],
      [{ region: 'Nl' }, 'malformed'],
      [{ expiresMs: good.issuedMs + 999 }, 'malformed'],
      [{ issuedMs: Number.NaN }, 'malformed'],
      [{ transports: [] }, 'out-of-bounds'],
    ];
    for (const [change, code] of refused) {
      assert.throws(() => signServerEntry({ ...good, ...change }, privateKey), { name: 'ProtocolError', code });
    }
    assert.throws(() => signServerEntry(good, Buffer.alloc(64)), { name: 'ProtocolError', code: 'malformed' });
  });

  it('keeps its tag when addresses and validity change, and loses it with another secret or key', () => {
    const tag = entryTag(good);
    const later: ServerEntryFields = { ...good, expiresMs: good.expiresMs + 1000, transports: [] };
    assert.equal(entryTag(later), tag);
    assert.notEqual(entryTag({ ...good, secret: Buffer.alloc(32) }), tag);
    assert.notEqual(entryTag({ ...good, key: Buffer.alloc(32) }), tag);
  });

  it('quotes neither secret nor address in its refusals', () => {
    const badAddress = { ...good, transports: [{ transport: 'opaque', addresses: ['hidden.example'], params: {} }] };
    assert.throws(
      () => signServerEntry(badAddress, privateKey),
      (error) => error instanceof ProtocolError && !error.message.includes('hidden'),
    );
  });
});
