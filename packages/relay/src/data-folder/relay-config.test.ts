import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatRelayConfig, parseRelayConfig, type RelayConfig } from './relay-config.ts';

/** `deepEqual` tells objects without a prototype from others. */
const PLAIN = { noNullPrototype: true } as const;

const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const channelId = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/);
const address = fc.record(
  {
    transport: fc.constantFrom('opaque', 'websocket'),
    address: fc.record(
      {
        host: fc.constantFrom('127.0.0.1', '::1', 'relay.example', '2001:db8::1'),
        port: fc.integer({ min: 1, max: 65_535 }),
      },
      PLAIN,
    ),
  },
  PLAIN,
);
const config: fc.Arbitrary<RelayConfig> = fc.record(
  {
    staticKey: key,
    signingKey: key,
    channels: fc.uniqueArray(fc.record({ id: channelId, accessSecret: key }, PLAIN), {
      selector: ({ id }) => id,
      minLength: 1,
    }),
    listen: fc.array(
      fc
        .tuple(address, fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.nat(), fc.boolean()), PLAIN))
        .map(([place, settings]) => ({ ...place, settings })),
    ),
    addresses: fc.array(address),
    strangerIdleMs: fc.integer({ min: 1, max: 3_600_000 }),
  },
  PLAIN,
);

const EXAMPLE = fc.sample(config, { numRuns: 1, seed: 7 })[0];

/** The example's JSON with some fields replaced. */
function altered(fields: { readonly [name: string]: unknown }): Buffer {
  assert.ok(EXAMPLE);
  return Buffer.from(JSON.stringify({ ...JSON.parse(formatRelayConfig(EXAMPLE).toString()), ...fields }));
}

test('what is written reads back as it was', () => {
  fc.assert(
    fc.property(config, (value) => {
      assert.deepEqual(parseRelayConfig(formatRelayConfig(value)), value);
    }),
  );
});

test('whatever is wrong is a typed error that quotes nothing', () => {
  const secret = 'c2VjcmV0c2VjcmV0c2VjcmV0';
  const channel = { id: 'a', accessSecret: secret.repeat(2) };
  for (const fields of [
    { version: undefined },
    { version: 0 },
    { version: '1' },
    { staticKey: secret },
    { signingKey: 5 },
    { staticKey: `${secret}*` },
    { channels: [] },
    { channels: {} },
    { channels: [channel] },
    { channels: [null] },
    { listen: 'no' },
    { listen: [{ transport: 'Opaque', address: '127.0.0.1:1' }] },
    { listen: [{ transport: 'opaque', address: secret }] },
    { listen: [{ transport: 'opaque' }] },
    { addresses: Array.from({ length: 65 }, () => ({ transport: 'opaque', address: '127.0.0.1:1' })) },
    { strangerIdleMs: 0 },
    { strangerIdleMs: 1e12 },
    { strangerIdleMs: 1.5 },
  ]) {
    assert.throws(
      () => parseRelayConfig(altered(fields)),
      (error: Error & { code?: string; remedy?: string }) => {
        assert.equal(error.code, 'folder-broken');
        assert.ok(error.remedy);
        assert.ok(!`${error.message}${String(error.cause)}`.includes(secret), error.message);
        return true;
      },
      JSON.stringify(fields),
    );
  }
  for (const text of ['', '{', '[]', 'null', `{"staticKey": ${secret}`, '\ufeff{}x']) {
    assert.throws(() => parseRelayConfig(Buffer.from(text)), { code: 'folder-broken' });
  }
});

test('two channels of the same id are refused', () => {
  assert.ok(EXAMPLE);
  const [channel] = EXAMPLE.channels;
  assert.ok(channel);
  const bytes = formatRelayConfig({ ...EXAMPLE, channels: [channel, channel] });
  assert.throws(() => parseRelayConfig(bytes), { code: 'folder-broken' });
});

test('a later version is told apart from a broken file', () => {
  assert.throws(() => parseRelayConfig(altered({ version: 2 })), { code: 'folder-too-new' });
});

test('no bytes crash the reader', () => {
  const attempt = (bytes: Buffer): void => {
    try {
      parseRelayConfig(bytes);
    } catch (error) {
      assert.ok(error instanceof Error && 'code' in error);
      assert.match(String(error.code), /^folder-/);
    }
  };
  fc.assert(fc.property(fc.uint8Array(), (bytes) => attempt(Buffer.from(bytes))));
  fc.assert(fc.property(fc.json(), (text) => attempt(Buffer.from(text))));
  const whole = altered({});
  for (let length = 0; length < whole.length; length += 1) attempt(whole.subarray(0, length));
});
