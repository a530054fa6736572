import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAbsoluteForm, parseAuthority } from './http-target.ts';
import { isLoopbackHost, isOwnAddress, parseTarget } from './target-host.ts';

const AUTHORITIES: readonly (readonly [text: string, host: string | undefined, port?: number])[] = [
  ['example.org:443', 'example.org', 443],
  ['EXAMPLE.org:1', 'example.org', 1],
  ['example.org:65535', 'example.org', 65535],
  ['[2001:DB8::1]:443', '2001:db8::1', 443],
  ['[::ffff:127.0.0.1]:80', '::ffff:7f00:1', 80],
  ['127.1:80', '127.0.0.1', 80],
  ['0x7f.1:80', '127.0.0.1', 80],
  ['a_b.example.org:80', 'a_b.example.org', 80],
  // One character per byte, as Node hands a request target on.
  [Buffer.from('روزن.example:443').toString('latin1'), 'xn--wgbc4dg.example', 443],
  ['example.org', undefined],
  ['example.org:', undefined],
  ['example.org:0', undefined],
  ['example.org:65536', undefined],
  ['example.org:99999999', undefined],
  ['example.org:-1', undefined],
  [':443', undefined],
  ['user:password@example.org:443', undefined],
  ['user@example.org:443', undefined],
  ['[::1:443', undefined],
  ['[fe80::1%25eth0]:80', undefined],
  ['[127.0.0.1]:80', undefined],
  ['::1:80', undefined],
  ['exa mple.org:80', undefined],
  ['example.org\\evil:80', undefined],
  ['example.org/path:80', undefined],
  ['exa%6dple.org:80', undefined],
  ['a..b:80', undefined],
  [`${'a'.repeat(64)}.org:80`, undefined],
  ['256.256.256.256:80', undefined],
];

for (const [text, host, port] of AUTHORITIES) {
  test(`HTTP target: authority ${JSON.stringify(text.slice(0, 40))}`, () => {
    assert.deepEqual(parseAuthority(text), host === undefined ? undefined : { host, port });
  });
}

test('HTTP target: absolute form', () => {
  const read = (target: string, method = 'GET') => parseAbsoluteForm(target, method);
  const site = { host: 'example.org', port: 80 };
  assert.deepEqual(read('http://example.org/a/b?c=d'), { target: site, path: '/a/b?c=d', hostField: 'example.org' });
  assert.deepEqual(read('HTTP://Example.org:80'), { target: site, path: '/', hostField: 'example.org' });
  assert.deepEqual(read('http://example.org:'), { target: site, path: '/', hostField: 'example.org' });
  assert.deepEqual(read('http://example.org?q'), { target: site, path: '/?q', hostField: 'example.org' });
  assert.deepEqual(read('http://example.org/../%2e#top'), { target: site, path: '/../%2e', hostField: 'example.org' });
  assert.deepEqual(read('http://example.org', 'OPTIONS'), { target: site, path: '*', hostField: 'example.org' });
  assert.deepEqual(read('http://[2001:db8::1]:8080/x'), {
    target: { host: '2001:db8::1', port: 8080 },
    path: '/x',
    hostField: '[2001:db8::1]:8080',
  });
  assert.deepEqual(read('http://[2001:db8::1]/'), {
    target: { host: '2001:db8::1', port: 80 },
    path: '/',
    hostField: '[2001:db8::1]',
  });
});

test('HTTP target: what is not in absolute form, or not for this proxy', () => {
  for (const target of ['/', '*', '', '/http://example.org/', 'example.org:443', 'http:example.org']) {
    assert.equal(parseAbsoluteForm(target, 'GET'), 'not-a-proxy-request', target);
  }
  for (const target of ['https://example.org/', 'ftp://example.org/', 'ws://example.org/']) {
    assert.equal(parseAbsoluteForm(target, 'GET'), 'unsupported-scheme', target);
  }
  for (const target of [
    'http://',
    'http:///x',
    'http://user:pass@example.org/',
    'http://example.org:0/',
    'http://a\\b/',
  ]) {
    assert.equal(parseAbsoluteForm(target, 'GET'), 'bad-target', target);
  }
});

test('HTTP target: nothing that is parsed throws, and what comes out is a target', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.webAuthority(), fc.webUrl()), (text) => {
      parseAbsoluteForm(text, 'GET');
      parseAuthority(text);
      const target = parseTarget(text, 80);
      if (target) assert.deepEqual(parseTarget(target.host, target.port), target);
    }),
    { numRuns: 2000 },
  );
});

test('own addresses: every way to write this machine', () => {
  const addresses = [{ host: '127.0.0.1', port: 8080 }];
  const hosts = ['127.0.0.1', '127.9.9.9', '0.0.0.0', 'localhost', 'LOCALHOST.', 'a.localhost', '::1', '[::1]', '::'];
  for (const host of [...hosts, '::ffff:127.0.0.1', '::ffff:0.0.0.0', '2130706433', '0x7f.1', '0']) {
    const target = parseTarget(host, 8080);
    assert.ok(target && isOwnAddress(target, addresses), host);
    const other = parseTarget(host, 8081);
    assert.ok(other && !isOwnAddress(other, addresses), host);
  }
  for (const host of ['127.0.0.1.example', 'localhost.example', 'notlocalhost', '128.0.0.1', '::2', '2001:db8::1']) {
    const target = parseTarget(host, 8080);
    assert.ok(target && !isOwnAddress(target, addresses), host);
  }
  assert.ok(isOwnAddress({ host: '192.0.2.1', port: 1080 }, [{ host: '192.0.2.1', port: 1080 }]));
  assert.ok(isLoopbackHost('127.0.0.1') && isLoopbackHost('::1'));
  assert.ok(!isLoopbackHost('0.0.0.0') && !isLoopbackHost('::') && !isLoopbackHost('192.0.2.1'));
});
