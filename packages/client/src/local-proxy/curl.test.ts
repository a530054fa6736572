import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import type { RequestListener } from 'node:http';
import { test } from 'node:test';
import { createOrigin, createProxyWorld, createTarget } from './testing/proxy-world.ts';

const LARGE_BYTES = 20 * 1024 * 1024;
const hasCurl = spawnSync('curl', ['--version']).status === 0;
const options = hasCurl ? {} : { skip: 'curl is not installed' };

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

interface CurlResult {
  readonly status: number | null;
  readonly out: Buffer;
  readonly err: string;
}

/** Runs curl as an ordinary program would be run: nothing about proxies but its arguments. */
async function curl(
  args: readonly string[],
  { input, onFirstBytes = () => {} }: { input?: Buffer; onFirstBytes?: () => void } = {},
): Promise<CurlResult> {
  const child = spawn('curl', ['-sS', '--noproxy', '', '--max-time', '60', ...args], { env: {} });
  const out: Buffer[] = [];
  let err = '';
  child.stdout.once('data', onFirstBytes);
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, out: Buffer.concat(out), err };
}

/** `/large` gives `large`; what is posted comes back as its hash; everything else says hello. */
function siteOf(large: Buffer): RequestListener {
  return async (request, response) => {
    if (request.url === '/large') {
      response.writeHead(200, { 'Content-Length': large.length }).end(large);
    } else if (request.method === 'GET') {
      response.end(`hello ${request.url}`);
    } else {
      const hash = createHash('sha256');
      for await (const chunk of request) hash.update(chunk);
      response.end(hash.digest('hex'));
    }
  };
}

/** Every way in which curl reaches a site through the proxies. */
const WAYS: readonly (readonly [name: string, args: (ports: { socks: number; http: number }) => string[]])[] = [
  ['SOCKS5 with names', ({ socks }) => ['--socks5-hostname', `127.0.0.1:${socks}`]],
  ['SOCKS5 with a user name', ({ socks }) => ['--proxy', `socks5h://user:password@127.0.0.1:${socks}`]],
  ['SOCKS4a', ({ socks }) => ['--socks4a', `127.0.0.1:${socks}`]],
  ['CONNECT', ({ http }) => ['-p', '-x', `http://127.0.0.1:${http}`]],
  ['absolute form', ({ http }) => ['-x', `http://127.0.0.1:${http}`]],
];

for (const [name, args] of WAYS) {
  test(`curl: 20 MB each way by ${name}`, options, async () => {
    const large = randomBytes(LARGE_BYTES);
    await using world = await createProxyWorld();
    await using origin = await createOrigin(siteOf(large));
    const way = args({ socks: world.port('socks'), http: world.port('http') });
    const site = `http://site.test:${origin.port}`;
    const download = await curl([...way, `${site}/large`]);
    assert.equal(download.status, 0, download.err);
    assert.equal(sha256(download.out), sha256(large));
    // -T sends "Expect: 100-continue" and, from standard input, chunks.
    const upload = await curl([...way, '-H', 'Expect: 100-continue', '-T', '-', `${site}/up`], { input: large });
    assert.equal(upload.status, 0, upload.err);
    assert.equal(upload.out.toString(), sha256(large));
    const posted = await curl([...way, '--data-binary', '@-', `${site}/up`], { input: large });
    assert.equal(posted.out.toString(), sha256(large));
    assert.ok(world.opener.targets.every(({ host }) => host === 'site.test'));
    assert.deepEqual(world.events, []);
  });
}

test('curl: SOCKS with an address, and IPv6 in brackets by CONNECT', options, async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin(siteOf(Buffer.alloc(0)));
  const socks = await curl(['--socks5', `127.0.0.1:${world.port('socks')}`, `http://127.0.0.1:${origin.port}/a`]);
  assert.equal(socks.out.toString(), 'hello /a');
  const proxy = `http://127.0.0.1:${world.port('http')}`;
  await curl(['-p', '-x', proxy, 'http://[2001:db8::1]:81/']);
  assert.deepEqual(world.opener.targets.at(-1), { host: '2001:db8::1', port: 81 });
});

test('curl: two URLs in absolute form share a connection to the proxy and a stream', options, async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin(siteOf(Buffer.alloc(0)));
  const site = `http://site.test:${origin.port}`;
  const { out } = await curl(['-x', `http://127.0.0.1:${world.port('http')}`, `${site}/a`, `${site}/b`]);
  assert.equal(out.toString(), 'hello /ahello /b');
  assert.equal(world.proxies.counts().accepted, 1);
  assert.equal(world.opener.streams.length, 1);
});

test('curl: is told why, and never takes half a file for a whole one', options, async () => {
  await using world = await createProxyWorld({ strictReplies: true });
  world.opener.rules.failing.set('gone.test', 'name-not-found');
  const socks = ['--socks5-hostname', `127.0.0.1:${world.port('socks')}`];
  const viaSocks = await curl([...socks, 'http://gone.test/']);
  assert.equal(viaSocks.status, 97);
  assert.match(viaSocks.err, /\(4\)|unreachable/i);
  const http = ['-x', `http://127.0.0.1:${world.port('http')}`];
  const viaHttp = await curl([...http, '-w', '%{http_code}', 'http://gone.test/']);
  assert.equal(viaHttp.out.toString(), 'There is no site of this name.\n502');
  await using target = await createTarget(world.env, (conn) => conn.write('HTTP/1.1 200 OK\r\n\r\nhalf'));
  for (const way of [socks, http, ['-p', ...http]]) {
    const onFirstBytes = () => world.opener.streams.at(-1)?.reset('session-lost');
    const cut = await curl(['-N', ...way, `http://site.test:${target.port}/`], { onFirstBytes });
    assert.equal(cut.out.toString(), 'half');
    assert.notEqual(cut.status, 0);
  }
});
