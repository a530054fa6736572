import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createProxyWorld, createTarget, readAnswer, STATUS_BY_CODE, send } from './testing/proxy-world.ts';

test('HTTP proxy: exact status, reason and text when a request cannot be forwarded; the connection goes on', async () => {
  await using world = await createProxyWorld();
  const conn = await world.connect('http');
  for (const [code, status] of STATUS_BY_CODE) {
    for (const failures of [world.opener.rules.failing, world.opener.rules.rejected]) {
      failures.set(`${code}.test`, code);
      conn.write(`POST http://${code}.test/ HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc`);
      const answer = await readAnswer(conn);
      assert.equal(answer.status, status, code);
      assert.match(answer.head, new RegExp(`\r\nRozan-Reason: ${code}\r\n`));
      assert.match(answer.body, /^[^\n<]+\n$/);
      assert.doesNotMatch(answer.body, /\.test/);
    }
  }
  await using strange = await createTarget(world.env, (target) => target.end('SSH-2.0-x\r\n'));
  conn.write(`GET http://site.test:${strange.port}/ HTTP/1.1\r\n\r\n`);
  assert.match((await readAnswer(conn)).head, /^HTTP\/1\.1 502 [\s\S]*Rozan-Reason: bad-answer/);
  await using mute = await createTarget(world.env, (target) => target.end());
  conn.write(`GET http://site.test:${mute.port}/ HTTP/1.1\r\n\r\n`);
  assert.match((await readAnswer(conn)).head, /^HTTP\/1\.1 502 [\s\S]*Rozan-Reason: connection-reset/);
  const hosts = JSON.stringify(world.events);
  assert.doesNotMatch(hosts, /\.test|127\.0\.0\.1/);
});

test('HTTP proxy: what is not a request to a proxy gets a plain page, also by its own name', async () => {
  await using world = await createProxyWorld();
  const port = world.port('http');
  for (const target of ['/', '*', '/http://site.test/', `http://127.0.0.1:${port}/`, `http://localhost:${port}/x`]) {
    const method = target === '*' ? 'OPTIONS' : 'GET';
    const conn = await send(world, `${method} ${target} HTTP/1.1\r\nHost: site.test\r\nAccept: text/html\r\n\r\n`);
    const answer = await readAnswer(conn);
    assert.equal(answer.status, 400);
    assert.match(answer.body, /<h1>Rozan proxy<\/h1>/);
  }
  for (const target of ['https://site.test/', 'http://user:pass@site.test/', 'http://site.test:0/']) {
    const conn = await send(world, `GET ${target} HTTP/1.1\r\n\r\n`);
    assert.equal((await readAnswer(conn)).status, 400);
  }
  assert.deepEqual(world.opener.targets, []);
});

test('HTTP proxy: garbage and heads that are too large are answered and closed', async () => {
  await using world = await createProxyWorld();
  const socks = await send(world, '\x05\x01\x00');
  assert.equal((await readAnswer(socks)).status, 400);
  const large = await send(world, `GET http://site.test/ HTTP/1.1\r\nX: ${'a'.repeat(70_000)}\r\n\r\n`);
  assert.equal((await readAnswer(large)).status, 431);
  const coding = await send(
    world,
    'POST http://site.test/ HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
  );
  assert.equal((await readAnswer(coding)).status, 501);
  const smuggled =
    'POST http://site.test/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n';
  assert.equal((await readAnswer(await send(world, smuggled))).status, 400);
  assert.deepEqual(world.opener.targets, []);
});
