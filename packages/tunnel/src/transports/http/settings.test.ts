import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TunnelError } from '../../errors.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { http } from './http.ts';

const PIN = `${'q'.repeat(42)}A`;
const isBadParams = (error: unknown) => error instanceof TunnelError && error.code === 'bad-params';

test('what an operator chooses survives being stored, and clients get no secret of the listener', async () => {
  for (const options of [
    {},
    { tls: 'self' },
    { tls: 'self', host: 'files.example:8443', prefix: '/a/b/' },
    { tls: 'front', host: 'files.example', sni: 'front.example', forwarded: 'X-Forwarded-For' },
    { tls: 'front', pin: PIN, site: 'http://127.0.0.1:80', 'max-bytes': '65536', 'max-age': '10' },
  ]) {
    const settings = await http.createSettings(new SeededRandom(1), options);
    assert.deepEqual(http.parseSettings(JSON.parse(JSON.stringify(settings))), JSON.parse(JSON.stringify(settings)));
    const text = JSON.stringify(http.paramsOf(settings));
    assert.ok(text.length <= 1024);
    assert.ok(!text.includes(settings.privateKey) && !text.includes('PRIVATE'));
    assert.deepEqual(http.parseParams(JSON.parse(text)), JSON.parse(text));
  }
});

test('options that are none are refused', async () => {
  for (const options of [
    { tls: 'yes' },
    { tls: 'front' },
    { tls: 'self', pin: PIN },
    { prefix: 'files' },
    { prefix: '/../' },
    { host: 'a b' },
    { 'max-bytes': '10' },
    { 'max-age': '-1' },
    { 'max-age': '3600' },
    { site: '' },
    { forwarded: 'x y' },
  ]) {
    await assert.rejects(http.createSettings(new SeededRandom(1), options), isBadParams, JSON.stringify(options));
  }
});

test('params that are none are refused', async () => {
  const params = http.paramsOf(await http.createSettings(new SeededRandom(1), { tls: 'self' }));
  for (const wrong of [
    { key: 'short' },
    { publicKey: undefined },
    { prefix: '//' },
    { suffix: 'bin' },
    { host: 'x\r\ny' },
    { maxBytes: 1 },
    { maxAgeMs: 1e9 },
    { tls: {} },
    { tls: { pin: 'x' } },
    { tls: { sni: '-' } },
  ]) {
    assert.throws(() => http.parseParams({ ...params, ...wrong }), isBadParams, JSON.stringify(wrong));
  }
  assert.deepEqual(http.parseParams({ ...params, later: 1 }), params);
});
