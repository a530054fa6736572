import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import type { ResetCode } from '@rozan/protocol';
import type { Conn } from '@rozan/tunnel';
import { createProxyWorld, createTarget, endOf, type ProxyWorld, readFrom } from './testing/proxy-world.ts';

function connectRequest(host: string, port: number): Buffer {
  return Buffer.from([5, 1, 0, 5, 1, 0, 3, host.length, ...Buffer.from(host), port >> 8, port & 0xff]);
}

/** Asks for `host` and returns the connection and the code of the reply. */
async function ask(world: ProxyWorld, host: string, port: number): Promise<{ conn: Conn; reply: number | undefined }> {
  const conn = await world.connect('socks');
  conn.write(connectRequest(host, port));
  const answer = await readFrom(conn, 12);
  return { conn, reply: answer[3] };
}

test('SOCKS proxy: bytes and half-close both ways, also what came before the reply', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, async (conn) => {
    const request = await readFrom(conn);
    conn.end(`got ${request.length}`);
  });
  const conn = await world.connect('socks');
  conn.write(Buffer.concat([connectRequest('site.test', target.port), Buffer.from('early')]));
  assert.equal((await readFrom(conn, 12)).toString('hex'), '050005000001000000000000');
  conn.end(Buffer.alloc(100_000));
  assert.equal((await readFrom(conn)).toString(), 'got 100005');
  assert.deepEqual(world.opener.targets, [{ host: 'site.test', port: target.port }]);
  assert.deepEqual(world.events, []);
});

test('SOCKS proxy: with a live session success is told at once, and a later failure is a reset', async () => {
  await using world = await createProxyWorld();
  world.opener.rules.failing.set('gone.test', 'refused');
  const { conn, reply } = await ask(world, 'gone.test', 80);
  assert.equal(reply, 0);
  assert.equal(await endOf(conn), 'ECONNRESET');
  assert.deepEqual(await world.event('stream.failed'), {
    event: 'stream.failed',
    proxy: 'socks',
    code: 'refused',
    answered: true,
  });
  assert.equal(world.proxies.counts().failedStreams, 1);
});

test('SOCKS proxy: a stream that breaks off in the middle is a reset', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, (conn) => conn.write('half of it'));
  const { conn } = await ask(world, 'site.test', target.port);
  assert.equal((await readFrom(conn, 10)).toString(), 'half of it');
  world.opener.streams[0]?.reset('session-lost');
  assert.equal(await endOf(conn), 'ECONNRESET');
  assert.equal((await world.event('stream.failed')).code, 'session-lost');
});

test('SOCKS proxy: an application that breaks off resets the stream', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, () => {});
  const { conn } = await ask(world, 'site.test', target.port);
  const [stream] = world.opener.streams;
  assert.ok(stream);
  const closed = new Promise((resolve) => stream.once('close', resolve));
  conn.resetAndDestroy?.();
  await closed;
  assert.match(String(stream.errored), /cancelled/);
  assert.deepEqual(world.events, []);
});

const CODES: readonly (readonly [ResetCode, number])[] = [
  ['forbidden', 2],
  ['unreachable', 3],
  ['name-not-found', 4],
  ['refused', 5],
  ['timed-out', 6],
  ['session-lost', 1],
  ['busy', 1],
];

test('SOCKS proxy: exact replies where nothing was promised', async () => {
  await using world = await createProxyWorld();
  for (const [code, expected] of CODES) {
    world.opener.rules.rejected.set(`${code}.test`, code);
    const { conn, reply } = await ask(world, `${code}.test`, 80);
    assert.equal(reply, expected, code);
    assert.equal(await endOf(conn), 'clean');
  }
});

test('SOCKS proxy: strict replies, and those of a session that has just died, wait for the real outcome', async () => {
  for (const isStrict of [true, false]) {
    await using world = await createProxyWorld({ strictReplies: isStrict });
    world.opener.rules.live = isStrict;
    for (const [code, expected] of CODES) {
      world.opener.rules.failing.set(`${code}.test`, code);
      const { conn, reply } = await ask(world, `${code}.test`, 80);
      assert.equal(reply, expected, code);
      assert.equal(await endOf(conn), 'clean');
    }
    await using target = await createTarget(world.env, (conn) => conn.end('here'));
    const { conn, reply } = await ask(world, 'site.test', target.port);
    assert.equal(reply, 0);
    assert.equal((await readFrom(conn)).toString(), 'here');
  }
});

test('SOCKS proxy: disposing while a stream is being opened cancels it', async () => {
  await using world = await createProxyWorld({ strictReplies: true });
  world.opener.rules.silent.add('silent.test');
  const opened = world.opener.nextStream();
  const conn = await world.connect('socks');
  conn.write(connectRequest('silent.test', 80));
  const stream = await opened;
  const closed = new Promise((resolve) => stream.once('close', resolve));
  await world.proxies[Symbol.asyncDispose]();
  await closed;
  assert.match(String(stream.errored), /cancelled/);
  assert.deepEqual(world.events, []);
});

test('SOCKS proxy: nobody is led back to the proxies', async () => {
  await using world = await createProxyWorld();
  for (const kind of ['socks', 'http'] as const) {
    const { reply } = await ask(world, '127.0.0.1', world.port(kind));
    assert.equal(reply, 2);
  }
  assert.deepEqual(world.opener.targets, []);
});

test('SOCKS proxy: a program that speaks HTTP, one that ends early, and one that says nothing', async () => {
  const pending: (() => void)[] = [];
  const clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    setTimer: (_delayMs: number, callback: () => void) => {
      pending.push(callback);
      return () => {};
    },
  };
  await using world = await createProxyWorld({ clock });
  const browser = await world.connect('socks');
  browser.write('GET / HTTP/1.1\r\n\r\n');
  assert.match((await readFrom(browser)).toString(), /^HTTP\/1\.1 400 /);
  browser.end();
  const hasty = await world.connect('socks');
  hasty.end(Buffer.from([5]));
  assert.equal(await endOf(hasty), 'clean');
  const silent = await world.connect('socks');
  silent.write(Buffer.from([5, 1, 0]));
  await readFrom(silent, 2);
  pending.at(-1)?.();
  assert.equal(await endOf(silent), 'ECONNRESET');
  const reasons = world.events.map((event) => event.reason);
  assert.deepEqual(reasons, ['not-socks', 'ended-early', 'too-slow']);
});

test('SOCKS proxy: back-pressure holds a fast sender when the target does not read', async () => {
  await using world = await createProxyWorld();
  let targetConn: Conn | undefined;
  await using target = await createTarget(world.env, (conn) => {
    targetConn = conn.pause();
  });
  const { conn } = await ask(world, 'site.test', target.port);
  const total = 64 * 1024 * 1024;
  let sent = 0;
  const chunk = Buffer.alloc(256 * 1024);
  while (sent < total && conn.write(chunk)) {
    sent += chunk.length;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.ok(sent < total, 'the sender was never held');
  assert.ok(targetConn);
  const drained = once(conn, 'drain');
  targetConn.resume();
  await drained;
});
