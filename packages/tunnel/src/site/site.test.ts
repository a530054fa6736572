import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Env } from '../env.ts';
import { TunnelError } from '../errors.ts';
import type { SocketAddress } from '../network.ts';
import { createEnv } from '../real-env.ts';
import { ManualClock } from '../testing/manual-clock.ts';
import { MemoryNetwork } from '../testing/memory-network.ts';
import { SeededRandom } from '../testing/seeded-random.ts';
import { readAll } from '../testing/stream-helpers.ts';
import { createSite, parseSiteSource, type SiteSource, siteSourceOf } from './site.ts';
import { createWebServer } from './web-server.ts';

const BUILT_IN: SiteSource = { kind: 'built-in', seed: 'c2VlZA' };

function createMemoryEnv(): Env {
  const clock = new ManualClock();
  return {
    network: new MemoryNetwork({ clock }),
    clock: createEnv({ log: () => {} }).clock,
    random: new SeededRandom(3),
    log: () => {},
  };
}

/** Opens a site; gives what asks it, and hands back the whole answer. */
async function open(t: TestContext, source: SiteSource, env: Env = createMemoryEnv()) {
  const web = createWebServer(env, createSite(env, source));
  const listener = await env.network.listen({ host: '127.0.0.1', port: 0 }, web.serve);
  t.after(async () => {
    web.close();
    await listener.close();
  });
  const send = async (bytes: string) => {
    const conn = await env.network.dial(listener.address);
    conn.write(bytes);
    return String(await readAll(conn));
  };
  const ask = (head: string, path = '/') => {
    const [method, ...headers] = head.split('\n');
    const lines = [`${method} ${path} HTTP/1.1`, 'Host: x', 'Connection: close', ...headers];
    return send(`${lines.join('\r\n')}\r\n\r\n`);
  };
  return { ask, send, address: listener.address as SocketAddress, env };
}

function headerOf(answer: string, name: string): string {
  return new RegExp(`^${name}: (.*)\r$`, 'm').exec(answer)?.[1] ?? '';
}

test('built-in: pages, HEAD, 304, 404, 405, and nothing that names us', async (t) => {
  const { ask } = await open(t, BUILT_IN);
  const page = await ask('GET');
  assert.match(page, /^HTTP\/1\.1 200 OK\r\n/);
  assert.match(page, /<title>/);
  assert.doesNotMatch(page, /rozan|relay|node/i);
  const head = await ask('HEAD');
  assert.equal(headerOf(head, 'Content-Length'), headerOf(page, 'Content-Length'));
  assert.ok(head.endsWith('\r\n\r\n'));
  for (const condition of [
    `If-None-Match: ${headerOf(page, 'ETag')}`,
    `If-Modified-Since: ${headerOf(page, 'Last-Modified')}`,
  ]) {
    const answer = await ask(`GET\n${condition}`);
    assert.match(answer, /^HTTP\/1\.1 304 Not Modified\r\n/);
    assert.ok(answer.endsWith('\r\n\r\n'));
  }
  assert.match(await ask('GET\nIf-None-Match: "other"'), /^HTTP\/1\.1 200 /);
  for (const path of ['/none', '/../etc/passwd', '/%00', '/%zz', `/${'a'.repeat(5000)}`, '/.git/config']) {
    assert.match(await ask('GET', path), /^HTTP\/1\.1 404 Not Found\r\n/);
  }
  const refused = await ask('POST');
  assert.match(refused, /^HTTP\/1\.1 405 /);
  assert.equal(headerOf(refused, 'Allow'), 'GET, HEAD');
});

test('built-in: every link leads somewhere, and another seed is another site', async (t) => {
  const { ask } = await open(t, BUILT_IN);
  const page = await ask('GET');
  for (const [, path = ''] of page.matchAll(/href="([^"]+)"/g))
    assert.match(await ask('GET', path), /^HTTP\/1\.1 200 /);
  const others = ['AAAA', 'BBBB', 'CCCC'].map((seed) => open(t, { kind: 'built-in', seed }));
  const pages = await Promise.all(others.map(async (other) => (await other).ask('GET')));
  assert.ok(pages.some((other) => !other.endsWith(page.slice(-200))));
});

test('an upgrade is answered like any request, and what is no HTTP with 400', async (t) => {
  const { ask, send } = await open(t, BUILT_IN);
  assert.match(await ask('GET\nUpgrade: websocket', '/chat'), /^HTTP\/1\.1 404 /);
  assert.match(await send('\x16\x03\x01 no http at all'), /^HTTP\/1\.1 400 Bad Request\r\n/);
});

test('folder: files, folders, and what lies outside or is hidden', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'site-'));
  t.after(() => rm(root, { recursive: true }));
  const pub = join(root, 'public');
  await mkdir(join(pub, 'blog'), { recursive: true });
  await writeFile(join(root, 'secret.txt'), 'secret');
  await writeFile(join(pub, '.hidden'), 'secret');
  await writeFile(join(pub, 'index.html'), '<p>home');
  await writeFile(join(pub, 'empty.css'), '');
  await writeFile(join(pub, 'blog', 'index.html'), '<p>blog');
  const { ask } = await open(t, { kind: 'folder', path: pub });
  const page = await ask('GET');
  assert.match(page, /<p>home$/);
  assert.match(await ask(`GET\nIf-None-Match: ${headerOf(page, 'ETag')}`), /^HTTP\/1\.1 304 /);
  assert.match(await ask('GET', '/empty.css'), /^HTTP\/1\.1 200 OK\r\n.*text\/css/s);
  assert.match(await ask('GET', '/blog/'), /<p>blog$/);
  assert.equal(headerOf(await ask('GET', '/blog?a=1'), 'Location'), '/blog/?a=1');
  assert.equal(headerOf(await ask('GET', '//blog'), 'Location'), '/blog/');
  for (const path of [
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/.hidden',
    '/index.html/',
    '/none',
    '/..%2fsecret.txt',
  ]) {
    const answer = await ask('GET', path);
    assert.match(answer, /^HTTP\/1\.1 404 /);
    assert.doesNotMatch(answer, /secret/);
  }
});

test('proxy: what the other site says, and 502 when it is gone', async (t) => {
  const env = createMemoryEnv();
  const behind = await open(t, BUILT_IN, env);
  const { ask } = await open(t, { kind: 'proxy', ...behind.address }, env);
  const withoutTimes = (answer: string) => answer.replace(/^(Date|Connection|Keep-Alive): .*\r\n/gm, '');
  assert.equal(withoutTimes(await ask('GET', '/about')), withoutTimes(await behind.ask('GET', '/about')));
  assert.match(await ask('GET\nUpgrade: websocket', '/none'), /^HTTP\/1\.1 404 /);
  const gone = await open(t, { kind: 'proxy', host: '127.0.0.1', port: 9 }, env);
  assert.match(await gone.ask('GET'), /^HTTP\/1\.1 502 /);
});

test('sources: what an operator may write, and what was stored', () => {
  const draw = (count: number) => Buffer.alloc(count, 1);
  assert.deepEqual(siteSourceOf('http://localhost:8080', draw), { kind: 'proxy', host: '127.0.0.1', port: 8080 });
  assert.deepEqual(siteSourceOf('http://[::1]/', draw), { kind: 'proxy', host: '::1', port: 80 });
  assert.deepEqual(siteSourceOf('/srv/www', draw), { kind: 'folder', path: '/srv/www' });
  const isBadParams = (error: unknown) => error instanceof TunnelError && error.code === 'bad-params';
  for (const text of ['', 'https://192.0.2.1', 'http://example.org', 'http://192.0.2.1/path', 'ftp://192.0.2.1']) {
    assert.throws(() => siteSourceOf(text, draw), isBadParams);
  }
  for (const source of [siteSourceOf(undefined, draw), siteSourceOf('http://[::1]/', draw)]) {
    assert.deepEqual(parseSiteSource(JSON.parse(JSON.stringify(source))), source);
  }
  for (const stored of [null, 1, {}, { kind: 'folder' }, { kind: 'proxy', host: 'x', port: 1 }]) {
    assert.throws(() => parseSiteSource(stored), isBadParams);
  }
});

test('who ends his side hears the answer and the refusal', async (t) => {
  const { address, env } = await open(t, BUILT_IN);
  const ask = async (bytes: string) => {
    const conn = await env.network.dial(address);
    conn.end(bytes);
    return String(await readAll(conn));
  };
  assert.match(await ask('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /^HTTP\/1\.1 200 OK\r\n/);
  assert.equal(await ask('no http at all\r\n\r\n'), 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
  assert.match(await ask(`GET /${'x'.repeat(40_000)} HTTP/1.1\r\n`), /^HTTP\/1\.1 431 /);
  // The head is there and the body is not whole: the site has begun with its answer.
  assert.match(await ask('POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc'), /^HTTP\/1\.1 405 /);
});
