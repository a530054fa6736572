import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import {
  createOrigin,
  createProxyWorld,
  createTarget,
  endOf,
  readAnswer,
  readFrom,
  readHead,
  send,
} from './testing/proxy-world.ts';

async function readBody(message: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of message.setEncoding('utf8')) body += chunk;
  return body;
}

test('HTTP proxy: a request is forwarded with its own fields only, and the connection is kept on both sides', async () => {
  await using world = await createProxyWorld();
  const seen: IncomingMessage[] = [];
  await using origin = await createOrigin((request, response) => {
    seen.push(request);
    response.writeHead(200, 'Fine', [
      ['Set-Cookie', 'a=1'],
      ['Set-Cookie', 'b=2'],
      ['X-Hop', '1'],
      ['Connection', 'keep-alive, X-Hop'],
      ['Content-Length', '2'],
    ]);
    response.end('ok');
  });
  const conn = await world.connect('http');
  for (const path of ['/one?x=%2F', '/two']) {
    conn.write(
      `GET http://Site.test:${origin.port}${path} HTTP/1.1\r\nHost: elsewhere.test\r\nProxy-Connection: keep-alive\r\n` +
        'Proxy-Authorization: Basic eDp5\r\nX-Kept: yes\r\nX-Drop: no\r\nConnection: X-Drop\r\n\r\n',
    );
    const answer = await readAnswer(conn);
    assert.match(answer.head, /^HTTP\/1\.1 200 Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n/);
    assert.doesNotMatch(answer.head, /x-hop|via|date: .*date: /i);
    assert.equal(answer.body, 'ok');
  }
  const fields = ['Host', `site.test:${origin.port}`, 'X-Kept', 'yes', 'Connection', 'keep-alive'];
  assert.deepEqual(
    seen.map(({ url }) => url),
    ['/one?x=%2F', '/two'],
  );
  assert.deepEqual(seen[0]?.rawHeaders, fields);
  assert.equal(world.opener.streams.length, 1);
});

test('HTTP proxy: a request travels with the opening of its stream', async () => {
  await using world = await createProxyWorld();
  world.opener.rules.unconfirmed.add('site.test');
  await using origin = await createOrigin((_request, response) => response.end('ok'));
  const conn = await send(world, `GET http://site.test:${origin.port}/ HTTP/1.1\r\n\r\n`);
  assert.equal((await readAnswer(conn)).body, 'ok');
});

test('HTTP proxy: a kept stream that the site has closed is replaced', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin((_request, response) => response.end('ok'));
  const conn = await world.connect('http');
  const ask = async () => {
    conn.write(`GET http://site.test:${origin.port}/ HTTP/1.1\r\n\r\n`);
    return (await readAnswer(conn)).status;
  };
  assert.equal(await ask(), 200);
  // The site closes without the proxy having seen it when it sends the next request.
  origin.server.prependOnceListener('request', (request: IncomingMessage) => request.socket.resetAndDestroy());
  assert.equal(await ask(), 200);
  assert.equal(world.opener.streams.length, 2);
  assert.equal(await ask(), 200);
  const kept = world.opener.streams.at(-1);
  assert.ok(kept);
  const closed = new Promise((resolve) => kept.once('close', resolve));
  origin.server.closeAllConnections();
  await closed;
  assert.equal(await ask(), 200);
  assert.equal(world.opener.streams.length, 4);
});

test('HTTP proxy: bodies by length and in chunks, with trailers, both ways', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin(async (request, response) => {
    const body = await readBody(request);
    response.writeHead(200, { Trailer: 'X-Sum' });
    response.write(`${request.method} ${body} `);
    response.addTrailers({ 'X-Sum': '7' });
    response.end(
      `${request.headers['transfer-encoding']} ${request.headers['content-length']} ${request.trailers['x-t']}`,
    );
  });
  const url = `http://site.test:${origin.port}/`;
  const conn = await send(world, `POST ${url} HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc`);
  const end = '\r\n0\r\nX-Sum: 7\r\n\r\n';
  const readChunked = async () => {
    let text = await readHead(conn);
    while (!text.endsWith(end)) text += (await readFrom(conn, 1)).toString();
    return text;
  };
  assert.match(await readChunked(), /POST abc [\s\S]*undefined 3 undefined/);
  conn.write(
    `PUT ${url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: 9\r\n\r\n`,
  );
  assert.match(await readChunked(), /PUT abc [\s\S]*chunked undefined 9/);
  conn.write(`GET ${url} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n`);
  assert.match(await readChunked(), /GET x [\s\S]*chunked undefined undefined/);
  conn.write(`POST ${url} HTTP/1.1\r\n\r\n`);
  assert.match(await readChunked(), /POST {2}[\s\S]*undefined 0 undefined/);
});

test('HTTP proxy: HEAD, 204 and 304 have no body and keep the connection', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin((request, response) => {
    if (request.method === 'HEAD') response.writeHead(200, { 'Content-Length': 1234 });
    else response.writeHead(Number(request.url?.slice(1)));
    response.end();
  });
  const conn = await world.connect('http');
  for (const [method, path] of [
    ['HEAD', '/'],
    ['GET', '/204'],
    ['GET', '/304'],
    ['GET', '/204'],
  ]) {
    conn.write(`${method} http://site.test:${origin.port}${path} HTTP/1.1\r\n\r\n`);
    const head = await readHead(conn);
    assert.match(head, new RegExp(`^HTTP/1.1 ${method === 'HEAD' ? 200 : path?.slice(1)} `));
    assert.doesNotMatch(head, /transfer-encoding|connection: close/i);
    if (method === 'HEAD') assert.match(head, /content-length: 1234/i);
  }
});

test('HTTP proxy: an answer that breaks off is a reset, whatever its framing', async () => {
  await using world = await createProxyWorld();
  const heads = {
    sized: 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf',
    chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n',
    'until-close': 'HTTP/1.1 200 OK\r\n\r\nhalf',
  };
  for (const [name, head] of Object.entries(heads)) {
    for (const version of ['1.1', '1.0']) {
      await using target = await createTarget(world.env, (conn) => conn.write(head));
      const opened = world.opener.nextStream();
      const conn = await send(world, `GET http://site.test:${target.port}/ HTTP/${version}\r\n\r\n`);
      await readHead(conn);
      let body = '';
      while (!body.endsWith('half')) body += (await readFrom(conn, 1)).toString();
      (await opened).reset('session-lost');
      assert.equal(await endOf(conn), 'ECONNRESET', `${name} ${version}`);
    }
  }
  const codes = world.events.map((event) => `${event.event} ${event.code} ${event.answered}`);
  assert.deepEqual(new Set(codes), new Set(['stream.failed session-lost true']));
  assert.equal(codes.length, 6);
});

test('HTTP proxy: a short body with a clean end is a reset; one that ends with its stream is whole', async () => {
  await using world = await createProxyWorld();
  await using short = await createTarget(world.env, (conn) =>
    conn.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf'),
  );
  const cut = await send(world, `GET http://site.test:${short.port}/ HTTP/1.1\r\n\r\n`);
  assert.equal(await endOf(cut), 'ECONNRESET');
  await using whole = await createTarget(world.env, (conn) => conn.end('HTTP/1.0 200 OK\r\n\r\nall of it'));
  const conn = await send(world, `GET http://site.test:${whole.port}/ HTTP/1.0\r\n\r\n`);
  assert.match((await readFrom(conn)).toString(), /\r\n\r\nall of it$/);
});

test('HTTP proxy: Expect is decided by the site', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin(() => {});
  origin.server.on('checkContinue', async (request, response) => {
    if (request.url === '/no') {
      response.writeHead(417, { 'Content-Length': 0 }).end();
      return;
    }
    response.writeContinue();
    const body = await readBody(request);
    response.writeHead(200, { 'Content-Length': body.length }).end(body);
  });
  const head = (path: string) =>
    `POST http://site.test:${origin.port}${path} HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`;
  const conn = await send(world, head('/yes'));
  assert.equal(await readHead(conn), 'HTTP/1.1 100 Continue\r\n\r\n');
  conn.write('hello');
  assert.equal((await readAnswer(conn)).body, 'hello');
  conn.write(head('/no'));
  const answer = await readAnswer(conn);
  assert.equal(answer.status, 417);
  assert.match(answer.head, /connection: close/i);
});

test('HTTP proxy: an application that goes away cancels its request, in either direction', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin((request, response) => {
    request.resume();
    if (request.method === 'GET') response.write('some');
  });
  const requests = ['GET / HTTP/1.1\r\n\r\n', 'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n'];
  for (const request of requests) {
    const arrived = once(origin.server, 'request');
    const conn = await send(world, request.replace('/', `http://site.test:${origin.port}/`));
    const [message] = (await arrived) as [IncomingMessage];
    const originClosed = new Promise((resolve) => message.socket.once('close', resolve));
    const [stream] = world.opener.streams.splice(0);
    assert.ok(stream);
    const closed = new Promise((resolve) => stream.once('close', resolve));
    conn.resetAndDestroy?.();
    await closed;
    await originClosed;
    assert.equal(message.complete, request.startsWith('GET'));
  }
  assert.deepEqual(world.events, []);
});

test('HTTP proxy: an early answer to an upload reaches the application', async () => {
  await using world = await createProxyWorld();
  await using target = await createTarget(world.env, async (conn) => {
    await readHead(conn);
    conn.end('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge');
    conn.resume();
  });
  const conn = await send(world, `PUT http://site.test:${target.port}/ HTTP/1.1\r\nContent-Length: 9000000\r\n\r\n`);
  conn.write(Buffer.alloc(4_000_000));
  const answer = await readAnswer(conn);
  assert.equal(answer.status, 413);
  assert.equal(answer.body, 'large');
});

test('HTTP proxy: requests sent ahead are answered in order', async () => {
  await using world = await createProxyWorld();
  await using origin = await createOrigin((request, response) =>
    response.writeHead(200, { 'Content-Length': 2 }).end(request.url),
  );
  const url = (path: string) => `GET http://site.test:${origin.port}${path} HTTP/1.1\r\n\r\n`;
  const conn = await send(world, url('/1') + url('/2') + url('/3'));
  for (const path of ['/1', '/2', '/3']) assert.equal((await readAnswer(conn)).body, path);
});

test('HTTP proxy: idle connections and endless heads are cut, busy ones are not', async () => {
  const timers = new Set<() => void>();
  let armed = () => {};
  const clock = {
    wallMs: () => 0,
    monotonicMs: () => 0,
    setTimer: (_delayMs: number, callback: () => void) => {
      timers.add(callback);
      armed();
      return () => timers.delete(callback);
    },
  };
  const fire = () => {
    for (const callback of [...timers]) callback();
  };
  await using world = await createProxyWorld({ clock });
  let answer: (() => void) | undefined;
  await using origin = await createOrigin((_request, response) => {
    answer = () => response.end('done');
  });
  const slow = await send(world, 'GET http://site.test/ HT');
  const arrived = once(origin.server, 'request');
  const busy = await send(world, `GET http://site.test:${origin.port}/ HTTP/1.1\r\n\r\n`);
  await arrived;
  fire();
  assert.equal(await endOf(slow), 'ECONNRESET');
  const idleAgain = new Promise<void>((resolve) => {
    armed = resolve;
  });
  answer?.();
  assert.equal((await readAnswer(busy)).body, 'done');
  await idleAgain;
  fire();
  assert.equal(await endOf(busy), 'ECONNRESET');
});
