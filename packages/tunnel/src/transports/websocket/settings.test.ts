import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { TunnelError } from '../../errors.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { nameOf, parseWebSocketParams } from './params.ts';
import { createWebSocketSettings, orderOfWebSocket, paramsOfWebSocket, parseWebSocketSettings } from './settings.ts';

const PIN = 'A'.repeat(43);
const isBadParams = (error: unknown) => error instanceof TunnelError && error.code === 'bad-params';
const create = (options: Readonly<Record<string, string>>) => createWebSocketSettings(new SeededRandom(1), options);

test('settings survive JSON, and the params are small and hold no key of the listener', async () => {
  for (const options of [
    {},
    { tls: 'none', site: 'http://127.0.0.1:80', forwarded: 'X-Forwarded-For' },
    { tls: 'front', host: 'www.example.org', sni: 'cdn.example.net', alpn: 'h2+http/1.1' },
    { tls: 'front', pin: PIN, host: 'www.example.org:8443', sni: 'none', path: '/a/b' },
    { certificate: 'chain.pem', key: 'key.pem', host: 'www.example.org' },
  ]) {
    const settings = await create(options);
    assert.deepEqual(
      parseWebSocketSettings(JSON.parse(JSON.stringify(settings))),
      JSON.parse(JSON.stringify(settings)),
    );
    const text = JSON.stringify(paramsOfWebSocket(settings));
    assert.ok(text.length <= 1024 && !text.includes('PRIVATE'));
    parseWebSocketParams(JSON.parse(text));
  }
});

test('address, SNI, host and certificate name are independent', async () => {
  const { params } = await create({ tls: 'front', host: 'www.example.org', sni: 'cdn.example.net' });
  assert.equal(params.sni, 'cdn.example.net');
  assert.equal(params.host, 'www.example.org');
  assert.equal(nameOf(params), 'www.example.org');
  const hidden = await create({ tls: 'front', host: 'www.example.org:8443', sni: 'none' });
  assert.equal(hidden.params.sni, undefined);
  assert.equal(hidden.params.tls, 'ca');
});

test('two listeners share nothing that could be looked for', async () => {
  const [one, other] = [await create({}), await createWebSocketSettings(new SeededRandom(2), {})];
  assert.notEqual(one.params.path, other.params.path);
  assert.notEqual(one.params.key, other.params.key);
  assert.notEqual(one.params.pin, other.params.pin);
});

test('options that are none, or do not fit together', async () => {
  for (const options of [
    { tls: 'yes' },
    { tls: '' },
    { host: 'a b' },
    { host: 'x\r\ny' },
    { sni: '127.0.0.1' },
    { path: 'live' },
    { path: '/../x' },
    { path: '/a?b' },
    { alpn: 'http/1.1+ ' },
    { site: 'https://192.0.2.1' },
    { forwarded: 'x y' },
    { certificate: 'a.pem' },
    { certificate: 'a.pem', key: 'b.pem' },
    { certificate: 'a.pem', key: 'b.pem', tls: 'none', host: 'a.example' },
    { tls: 'front' },
    { pin: PIN },
    { pin: 'short', tls: 'front' },
    { tls: 'acme' },
    { tls: 'acme', host: 'localhost' },
    { tls: 'acme', host: '192.0.2.1' },
    { tls: 'acme', host: 'a.example:8443' },
    { tls: 'acme', host: 'a.example', certificate: 'a.pem', key: 'b.pem' },
    { tls: 'acme', host: 'a.example', 'acme-directory': 'http://b.example/directory' },
    { tls: 'acme', host: 'a.example', 'acme-contact': 'nobody' },
    { tls: 'self', host: 'a.example', 'acme-contact': 'me@a.example' },
  ]) {
    await assert.rejects(create(options), isBadParams, JSON.stringify(options));
  }
});

test('tls=acme: an order for the name, a certificate that stands in, and clients that go by authorities; it survives being stored', async () => {
  const settings = await create({
    tls: 'acme',
    host: 'WWW.example.org',
    'acme-contact': 'me@example.org',
    'acme-root': 'root.pem',
  });
  assert.equal(settings.params.tls, 'ca');
  assert.equal(settings.params.pin, undefined);
  const order = orderOfWebSocket(settings);
  assert.deepEqual(order, {
    name: 'www.example.org',
    directory: 'https://acme-v02.api.letsencrypt.org/directory',
    contact: 'mailto:me@example.org',
    root: resolve('root.pem'),
  });
  const again = parseWebSocketSettings(JSON.parse(JSON.stringify(settings)));
  assert.deepEqual(orderOfWebSocket(again), order);
  assert.equal(orderOfWebSocket(await create({})), null);
  for (const change of [{ name: 'x' }, { name: '../x.y' }, { directory: 'http://x/' }, { contact: 5 }]) {
    const tls = { ...settings.tls, order: { ...order, ...change } };
    assert.throws(() => parseWebSocketSettings({ ...settings, tls }), isBadParams);
  }
});

test('params from outside are what they have to be, or refused', async () => {
  const { params } = await create({ host: 'www.example.org' });
  const good: Readonly<Record<string, unknown>> = { ...params };
  assert.deepEqual(parseWebSocketParams({ ...good, later: { version: 2 } }), params);
  for (const change of [
    { tls: 'maybe' },
    { pin: undefined },
    { tls: 'ca', sni: undefined, host: undefined },
    { path: '/x\r\nHost: y' },
    { host: 'a\r\n' },
    { alpn: 'h2' },
    { alpn: ['a', 'b', 'c', 'd', 'e'] },
    { cookie: 'a=b' },
    { key: 'short' },
  ]) {
    assert.throws(() => parseWebSocketParams({ ...good, ...change }), isBadParams, JSON.stringify(change));
  }
  fc.assert(
    fc.property(fc.constantFrom(...Object.keys(good)), fc.jsonValue(), (member, value) => {
      try {
        parseWebSocketParams({ ...good, [member]: value });
      } catch (error) {
        assert.ok(isBadParams(error));
      }
    }),
  );
});
