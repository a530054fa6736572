import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { createEnv, type LogEvent } from '@rozan/tunnel';
import { createLocalProxies } from './local-proxies.ts';
import { LocalProxyError } from './local-proxy-error.ts';
import { createFakeOpener } from './testing/fake-opener.ts';
import { createProxyWorld, createTarget, endOf, readFrom } from './testing/proxy-world.ts';

test('local proxies: a port in use is a typed error that says what to do, and leaves nothing behind', async () => {
  await using world = await createProxyWorld();
  const { env, opener, proxies } = world;
  const start = createLocalProxies(env, { socks: { host: '127.0.0.1', port: 0 }, http: proxies.http, opener });
  await assert.rejects(start, (error) => {
    assert.ok(error instanceof LocalProxyError);
    assert.equal(error.code, 'port-in-use');
    assert.match(error.message, /HTTP proxy cannot listen at 127\.0\.0\.1:\d+: .*another port/);
    return true;
  });
});

test('local proxies: an address of another machine is a typed error', async () => {
  const env = createEnv({ log: () => {} });
  const opener = createFakeOpener(env.network);
  const start = createLocalProxies(env, { socks: { host: '192.0.2.1', port: 0 }, opener });
  await assert.rejects(start, (error) => error instanceof LocalProxyError && error.code === 'no-such-address');
});

test('local proxies: only what is asked for listens; loopback is quiet, everything else is announced', async () => {
  const events: LogEvent[] = [];
  const env = createEnv({ log: (event) => events.push(event) });
  const opener = createFakeOpener(env.network);
  {
    await using proxies = await createLocalProxies(env, { socks: { host: '127.0.0.1', port: 0 }, opener });
    assert.equal(proxies.http, undefined);
    assert.ok(proxies.socks && proxies.socks.port > 0);
    assert.equal(events.length, 0);
  }
  // Every address of this machine stands for an exposed one; nothing connects to it.
  const network = {
    ...env.network,
    listen: async () => ({ address: { host: '0.0.0.0', port: 1080 }, close: async () => {} }),
  };
  await using _exposed = await createLocalProxies(
    { ...env, network },
    { http: { host: '0.0.0.0', port: 1080 }, opener },
  );
  assert.equal(events.length, 1);
  assert.equal(events[0]?.event, 'proxy.exposed');
  assert.equal(events[0]?.proxy, 'http');
});

test('local proxies: beyond the cap connections are reset, which is reported once', async () => {
  await using world = await createProxyWorld({ maxConnections: 2 });
  const kept = [await world.connect('socks'), await world.connect('http')];
  // Only what has been answered has surely been accepted.
  kept[0]?.write(Buffer.from('050100', 'hex'));
  kept[1]?.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  for (const conn of kept) assert.ok((await readFrom(conn, 2)).length > 0);
  for (const kind of ['socks', 'http'] as const) {
    // The reset may come while the connection is still being made.
    const end = await world.connect(kind).then(endOf, () => 'ECONNRESET');
    assert.equal(end, 'ECONNRESET');
  }
  assert.equal(world.events.filter(({ event }) => event === 'proxy.full').length, 1);
  assert.deepEqual(world.proxies.counts(), { open: 2, accepted: 2, refused: 2, failedStreams: 0, associations: 0 });
});

test('local proxies: disposing resets what is open and frees the ports', async () => {
  const world = await createProxyWorld();
  await using target = await createTarget(world.env, (conn) => conn.pipe(conn));
  const conn = await world.connect('http');
  conn.write(`CONNECT 127.0.0.1:${target.port} HTTP/1.1\r\n\r\nhello`);
  let seen = '';
  while (!seen.endsWith('hello')) seen += (await readFrom(conn, 1)).toString();
  const [stream] = world.opener.streams;
  assert.ok(stream);
  const closed = once(stream, 'close').catch((error: unknown) => error);
  await world.proxies[Symbol.asyncDispose]();
  assert.equal(await endOf(conn), 'ECONNRESET');
  await closed;
  assert.equal(world.proxies.counts().open, 0);
  await assert.rejects(world.connect('http'));
  await assert.rejects(world.connect('socks'));
});

test('local proxies: nothing is left open after many applications have come and gone', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, (conn) => conn.pipe(conn));
  const visit = async (index: number) => {
    const conn = await world.connect('http');
    conn.write(`CONNECT site.test:${target.port} HTTP/1.1\r\n\r\n`);
    await readFrom(conn, 10);
    if (index % 2 === 0) conn.end();
    else conn.resetAndDestroy?.();
    await endOf(conn);
  };
  await Promise.all(Array.from({ length: 50 }, (_, index) => visit(index)));
  // The proxy learns of a reset a moment after the application has made it.
  while (world.proxies.counts().open > 0) await new Promise((resolve) => setImmediate(resolve));
  for (const stream of world.opener.streams) if (!stream.closed) await once(stream, 'close').catch(() => {});
  assert.equal(world.proxies.counts().accepted, 50);
});
