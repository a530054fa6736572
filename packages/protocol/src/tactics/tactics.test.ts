import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ProtocolError } from '../errors.ts';
import { signerOf } from '../signed-envelope.ts';
import vectors from '../vectors/tactics.json' with { type: 'json' };
import { judgeTactics } from './known-time.ts';
import { drawRule, fittingRules, selectRule } from './select.ts';
import { isAvoided, NUMBER_SETTINGS, type SettingRange } from './settings.ts';
import { formatTactics, parseTactics, readUncheckedTactics, signTactics, type TacticsFields } from './tactics.ts';

const privateKey = Buffer.from(vectors.privateKey, 'hex');
const keys = [Buffer.from(vectors.publicKey, 'hex')];
const [, second] = vectors.valid;
assert.ok(second);
const goodBytes = Buffer.from(second.envelope, 'hex');
const good = parseTactics(goodBytes, keys);

const pattern = (form: RegExp) => fc.stringMatching(form);
const settingArbitrary = ({ range: [min, max], isWhole }: SettingRange): fc.Arbitrary<number> =>
  isWhole ? fc.integer({ min, max }) : fc.double({ min, max, noNaN: true });
const numbers = fc
  .record(Object.fromEntries(Object.entries(NUMBER_SETTINGS).map(([name, range]) => [name, settingArbitrary(range)])), {
    requiredKeys: [],
    noNullPrototype: true,
  })
  .filter(({ carriers = 1, mostCarriers = 8, raceWidth = 2, wideRaceWidth = 32 }) => {
    return carriers <= mostCarriers && raceWidth <= wideRaceWidth;
  });
const transportName = pattern(/^[a-z][a-z0-9-]{0,31}$/);
const params = fc.dictionary(
  pattern(/^[A-Za-z][A-Za-z0-9_-]{0,8}$/),
  fc.oneof(fc.string({ maxLength: 20 }), fc.integer(), fc.boolean(), fc.constant(null)),
  { maxKeys: 4, noNullPrototype: true },
);
const ways = fc.record(
  {
    transportWeights: fc.dictionary(transportName, fc.double({ min: 0.01, max: 100, noNaN: true }), {
      maxKeys: 4,
      noNullPrototype: true,
    }),
    avoid: fc.array(fc.record({ transport: transportName, params }, { noNullPrototype: true }), {
      minLength: 1,
      maxLength: 3,
    }),
  },
  { requiredKeys: [], noNullPrototype: true },
);
const someOf = <T>(member: fc.Arbitrary<T>) => fc.array(member, { minLength: 1, maxLength: 3 });
const ruleArbitrary = fc.record(
  {
    id: pattern(/^[a-z0-9][a-z0-9.-]{0,20}$/),
    when: fc.record(
      {
        country: someOf(pattern(/^[A-Z]{2}$/)),
        asn: someOf(fc.integer({ min: 1, max: 4_294_967_294 })),
        channel: someOf(pattern(/^[A-Za-z0-9_-]{1,32}$/)),
      },
      { requiredKeys: [], noNullPrototype: true },
    ),
    probability: fc.double({ min: 0.001, max: 1, noNaN: true }),
    set: fc.tuple(numbers, ways).map(([some, others]) => ({ ...some, ...others })),
  },
  { noNullPrototype: true },
);
const fieldsArbitrary: fc.Arbitrary<TacticsFields> = fc
  .record({
    issued: fc.integer({ min: 0, max: 4_000_000_000 }),
    lifetime: fc.integer({ min: 1, max: 100_000_000 }),
    ttl: fc.integer({ min: 60, max: 604_800 }),
    rules: fc.uniqueArray(ruleArbitrary, { maxLength: 5, selector: ({ id }) => id }),
  })
  .map(({ issued, lifetime, ttl, rules }) => ({
    issuedMs: 1000 * issued,
    expiresMs: 1000 * (issued + lifetime),
    ttlMs: 1000 * ttl,
    rules,
  }));

describe('tactics: vectors', () => {
  for (const vector of vectors.valid) {
    it(`reads: ${vector.name}`, () => {
      const tactics = parseTactics(Buffer.from(vector.envelope, 'hex'), keys);
      assert.deepEqual(JSON.parse(JSON.stringify(formatTactics(tactics))), vector.payload);
      assert.equal(tactics.digest, vector.digest);
    });
  }

  for (const vector of vectors.valid.slice(0, -1)) {
    it(`writes: ${vector.name}`, () => {
      const tactics = parseTactics(Buffer.from(vector.envelope, 'hex'), keys);
      assert.equal(signTactics(tactics, privateKey).toString('hex'), vector.envelope);
    });
  }

  for (const { name, code, envelope } of vectors.invalid) {
    it(`refuses (${code}): ${name}`, () => {
      assert.throws(() => parseTactics(Buffer.from(envelope, 'hex'), keys), { name: 'ProtocolError', code });
    });
  }

  for (const { facts, fitting, taken } of vectors.selection) {
    it(`selects for ${JSON.stringify(facts)}`, () => {
      assert.deepEqual(
        fittingRules(good, facts).map(({ id }) => id),
        fitting,
      );
      for (const { salt, rule } of taken) {
        assert.equal(selectRule(good, facts, Buffer.from(salt, 'hex'))?.id ?? null, rule);
      }
    });
  }

  it('draws', () => {
    for (const { salt, rule, draw } of vectors.draws) {
      assert.equal(drawRule(Buffer.from(salt, 'hex'), good.digest, rule), draw);
    }
  });

  for (const { times, validity } of vectors.validity) {
    it(`is ${validity} by ${JSON.stringify(times)}`, () => assert.equal(judgeTactics(good, times), validity));
  }
});

describe('tactics', () => {
  it('come out of signing and parsing as they went in', () => {
    fc.assert(
      fc.property(fieldsArbitrary, fc.uint8Array({ minLength: 32, maxLength: 32 }), (fields, seed) => {
        const key = Buffer.from(seed);
        const bytes = signTactics(fields, key);
        const { digest, ...read } = parseTactics(bytes, [...keys, signerOf(key)]);
        assert.deepEqual(read, fields);
        assert.equal(digest.length, 22);
        assert.deepEqual(signTactics(read, key), bytes);
      }),
    );
  });

  it('are refused with any one byte changed, whichever bit', () => {
    for (let index = 0; index < goodBytes.length; index += 1) {
      for (const mask of [0x01, 0x20, 0x80]) {
        const changed = Buffer.from(goodBytes);
        changed.writeUInt8(changed.readUInt8(index) ^ mask, index);
        assert.throws(() => parseTactics(changed, keys), ProtocolError, `byte ${index}`);
      }
    }
  });

  it('are refused at every length but their own', () => {
    for (let length = 0; length < goodBytes.length; length += 1) {
      assert.throws(() => parseTactics(goodBytes.subarray(0, length), keys), ProtocolError, `length ${length}`);
    }
    assert.throws(() => parseTactics(Buffer.concat([goodBytes, Buffer.alloc(1)]), keys), { code: 'not-authentic' });
    assert.throws(() => parseTactics(Buffer.alloc(70_000, 1), keys), { code: 'out-of-bounds' });
  });

  it('are a typed refusal for any other bytes and any JSON, signed or not', () => {
    const refused = (bytes: Buffer) => {
      assert.throws(() => parseTactics(bytes, keys), ProtocolError);
      try {
        readUncheckedTactics(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 3000 }), (tail) => refused(Buffer.from([1, ...tail]))));
    fc.assert(fc.property(fc.json(), (json) => refused(Buffer.concat([goodBytes.subarray(0, 73), Buffer.from(json)]))));
  });

  it('are frozen to their depth', () => {
    for (const rule of good.rules) {
      for (const part of [good, good.rules, rule, rule.when, rule.set, ...Object.values(rule.set)])
        assert.ok(Object.isFrozen(part));
    }
  });

  it('are not signed where they would not be accepted', () => {
    const { rules } = good;
    const [first] = rules;
    assert.ok(first);
    for (const change of [
      { expiresMs: good.issuedMs },
      { issuedMs: Number.NaN },
      { rules: [first, first] },
      { rules: [{ ...first, set: { silenceMs: 60_000 } }] },
    ]) {
      assert.throws(() => signTactics({ ...good, ...change }, privateKey), ProtocolError);
    }
    assert.throws(() => signTactics(good, Buffer.alloc(31)), { code: 'malformed' });
  });
});

describe('the rule that a client takes', () => {
  const facts = fc.record({
    country: fc.constantFrom('IR', 'NL', null),
    asn: fc.constantFrom(44_244, 3320, null),
    channels: fc.subarray(['default', 'friends-3']),
  });
  const salts = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));

  it('is one that fits, and always the same', () => {
    fc.assert(
      fc.property(fieldsArbitrary, facts, salts, (fields, where, salt) => {
        const tactics = parseTactics(signTactics(fields, privateKey), keys);
        const rule = selectRule(tactics, where, salt);
        assert.equal(selectRule(tactics, where, salt), rule);
        if (rule === null) return;
        const fitting = fittingRules(tactics, where);
        assert.ok(fitting.includes(rule));
        // Every rule before it left it to a draw.
        for (const before of fitting.slice(0, fitting.indexOf(rule))) assert.ok(before.probability < 1);
      }),
    );
  });

  it('is drawn by as many clients as the probability says, and for each rule anew', () => {
    const clients = Array.from({ length: 4000 }, (_, index) => {
      const salt = Buffer.alloc(16);
      salt.writeUInt32BE(index);
      return salt;
    });
    const below = (rule: string) => clients.filter((salt) => drawRule(salt, good.digest, rule) < 0.3);
    const [one, two] = [below('one'), below('two')];
    assert.ok(Math.abs(one.length / clients.length - 0.3) < 0.03, `${one.length}`);
    const both = one.filter((salt) => two.includes(salt)).length;
    assert.ok(Math.abs(both / clients.length - 0.09) < 0.02, `${both}`);
  });
});

describe('ways to avoid', () => {
  it('are those with the transport and all of the params', () => {
    const settings = {
      avoid: [
        { transport: 'a', params: { prefix: null, port: 1 } },
        { transport: 'b', params: {} },
      ],
    };
    const avoided = (transport: string, given: object) => isAvoided(settings, { transport, params: { ...given } });
    assert.equal(avoided('a', { port: 1 }), true);
    assert.equal(avoided('a', { port: 1, more: 2 }), true);
    assert.equal(avoided('a', { port: 2 }), false);
    assert.equal(avoided('a', { port: 1, prefix: 'x' }), false);
    assert.equal(avoided('a', {}), false);
    assert.equal(avoided('b', { port: 2 }), true);
    assert.equal(avoided('c', { port: 1 }), false);
    assert.equal(isAvoided({}, { transport: 'a', params: {} }), false);
  });
});
