import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeBase64url, ProtocolError } from '@rozan/protocol';
import fc from 'fast-check';
import { controlUrl } from './control-plane.ts';
import { cpuShare, sumOf } from './report.ts';
import { channelsAt, parseRelaySettings } from './settings.ts';

const secret = (number: number) => encodeBase64url(Buffer.alloc(32, number));

const SETTINGS = {
  relay: 'AAAAAAAAAAAAAAAAAAAAAA',
  version: 7,
  state: 'serving',
  isDraining: false,
  channels: [
    {
      id: 'friends',
      accessSecret: secret(1),
      former: [{ accessSecret: secret(2), until: '2026-01-02T00:00:00.000Z' }],
    },
    { id: 'shop', accessSecret: secret(3), former: [] },
  ],
  siblings: [],
};

const bytesOf = (value: unknown) => Buffer.from(JSON.stringify(value));

test('clients are taken under the secrets of now, and under former ones until their time', () => {
  const settings = parseRelaySettings(bytesOf({ ...SETTINGS, motto: 'of a later version' }));
  const at = (time: string) =>
    channelsAt(settings, Date.parse(time)).map(({ id, accessSecret }) => `${id} ${accessSecret[0]}`);
  assert.deepEqual(at('2026-01-01T23:59:59Z'), ['friends 1', 'friends 2', 'shop 3']);
  assert.deepEqual(at('2026-01-02T00:00:00Z'), ['friends 1', 'shop 3']);
});

test('whatever a control plane tells is read or refused with a typed error, and nothing of it is quoted', () => {
  const names = Object.keys(SETTINGS);
  const typed = (bytes: Buffer) => {
    try {
      parseRelaySettings(bytes);
    } catch (error) {
      assert.ok(error instanceof ProtocolError, String(error));
      assert.ok(!error.message.includes(secret(1)));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => typed(Buffer.from(bytes))));
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.jsonValue(), (name, value) =>
      typed(bytesOf({ ...SETTINGS, [name]: value })),
    ),
  );
  const twice = { ...SETTINGS, channels: [SETTINGS.channels[0], SETTINGS.channels[0]] };
  for (const wrong of [null, [], {}, twice, { ...SETTINGS, siblings: ['rozan://x'] }, { ...SETTINGS, state: 'x' }]) {
    assert.throws(() => parseRelaySettings(bytesOf(wrong)), ProtocolError);
  }
});

test('secrets go over TLS, or stay on this machine', () => {
  for (const good of [
    'https://control.example.org',
    'http://127.0.0.1:8443',
    'http://localhost:1',
    'http://[::1]:8443/',
  ]) {
    assert.ok(controlUrl(good).href.endsWith('/'));
  }
  for (const bad of [
    'http://control.example.org',
    'http://127.example.org',
    'ftp://x',
    'control',
    'https://a:b@c/',
    'https://a/?q=1',
  ]) {
    assert.throws(() => controlUrl(bad), { code: 'control-plane' });
  }
});

test('a report sums up what Prometheus is shown', () => {
  const text =
    'a_total{direction="up"} 3\na_total{direction="down"} 5\na_total{direction="up",x="y"} 4\na_total_more 9\nb 2.5e3\n';
  assert.equal(sumOf(text, 'a_total', 'direction="up"'), 7);
  assert.equal(sumOf(text, 'a_total'), 12);
  assert.equal(sumOf(text, 'b'), 2500);
  assert.equal(sumOf(text, 'c'), 0);
  assert.equal(cpuShare({ busyMs: 10, allMs: 100 }, { busyMs: 35, allMs: 200 }), 0.25);
  assert.equal(cpuShare({ busyMs: 10, allMs: 100 }, { busyMs: 10, allMs: 100 }), 0);
});
