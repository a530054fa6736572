import assert from 'node:assert/strict';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import {
  createOrigin,
  createProxyWorld,
  createTarget,
  endOf,
  readAnswer,
  readFrom,
  readHead,
  STATUS_BY_CODE,
  send,
} from './testing/proxy-world.ts';

test('HTTP proxy: CONNECT passes bytes and half-close both ways, also what came early', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, async (conn) => {
    const request = await readFrom(conn);
    conn.end(`got ${request.length}`);
  });
  const conn = await send(world, `CONNECT site.test:${target.port} HTTP/1.1\r\nHost: site.test\r\n\r\nearly`);
  assert.match(await readHead(conn), /^HTTP\/1\.1 200 /);
  conn.end(Buffer.alloc(100_000));
  assert.equal((await readFrom(conn)).toString(), 'got 100005');
});

test('HTTP proxy: CONNECT answers at once when live, and a later failure is a reset', async () => {
  await using world = await createProxyWorld();
  world.opener.rules.failing.set('gone.test', 'timed-out');
  const conn = await send(world, 'CONNECT gone.test:443 HTTP/1.1\r\n\r\n');
  assert.match(await readHead(conn), /^HTTP\/1\.1 200 /);
  assert.equal(await endOf(conn), 'ECONNRESET');
  const failed = await world.event('stream.failed');
  assert.deepEqual(failed, { event: 'stream.failed', proxy: 'http', code: 'timed-out', answered: true });
});

test('HTTP proxy: CONNECT is exact where nothing was promised, and under strict replies', async () => {
  for (const isStrict of [true, false]) {
    await using world = await createProxyWorld({ strictReplies: isStrict });
    const failures = isStrict ? world.opener.rules.failing : world.opener.rules.rejected;
    for (const [code, status] of STATUS_BY_CODE) {
      failures.set(`${code}.test`, code);
      const conn = await send(world, `CONNECT ${code}.test:443 HTTP/1.1\r\nAccept: text/html\r\n\r\n`);
      const answer = await readAnswer(conn);
      assert.equal(answer.status, status);
      assert.match(answer.head, new RegExp(`\r\nRozan-Reason: ${code}\r\n`));
      assert.match(answer.body, /^<!doctype html>/);
      assert.doesNotMatch(answer.body, /\.test/);
      assert.equal(await endOf(conn), 'clean');
    }
  }
});

test('HTTP proxy: CONNECT to what is not a target, or with a body, is refused', async () => {
  await using world = await createProxyWorld();
  for (const target of ['site.test', 'site.test:0', 'u:p@site.test:443', '/x', 'site.test:65536']) {
    const conn = await send(world, `CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
    assert.equal((await readAnswer(conn)).status, 400, target);
  }
  const own = await send(world, `CONNECT localhost:${world.port('socks')} HTTP/1.1\r\n\r\n`);
  assert.equal((await readAnswer(own)).status, 403);
  assert.deepEqual(world.opener.targets, []);
});

test('HTTP proxy: a WebSocket passes, one that the site declines gets its answer', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin((_request, response) => response.writeHead(404).end('no such socket'));
  const head = (path: string, port: number) =>
    `GET http://site.test:${port}${path} HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n`;
  const declined = await send(world, head('/', origin.port));
  assert.match((await readFrom(declined)).toString(), /^HTTP\/1\.1 404 [\s\S]*Connection: close[\s\S]*no such socket$/);
  origin.server.on('upgrade', (request: IncomingMessage, socket: Conn) => {
    assert.equal(request.headers['sec-websocket-key'], 'k');
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhi ');
    socket.pipe(socket);
  });
  const conn = await send(world, `${head('/', origin.port)}early`);
  assert.match(await readHead(conn), /^HTTP\/1\.1 101 [\s\S]*Upgrade: websocket/);
  conn.end(' late');
  assert.equal((await readFrom(conn)).toString(), 'hi early late');
  world.opener.rules.failing.set('gone.test', 'refused');
  const failed = await send(world, head('/', 80).replace('site.test:80', 'gone.test'));
  assert.equal((await readAnswer(failed)).status, 502);
});
