import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { API_BOUNDS } from './api-types.ts';
import { MAX_CONNECTIONS, REQUEST_MS } from './limits.ts';
import { type ApiWorld, closed, codeOf, createApiWorld, testEntry } from './testing/api-world.ts';

function apiTest(name: string, run: (world: ApiWorld) => Promise<void>): void {
  test(name, async () => {
    await using world = await createApiWorld({ entries: [testEntry(1)] });
    await run(world);
  });
}

function head(
  world: ApiWorld,
  lines: readonly string[] = [],
  { host = world.origin.slice(7), path = '/api/state' } = {},
) {
  const all = [`GET ${path} HTTP/1.1`, `Host: ${host}`, `Authorization: Bearer ${world.token}`, 'Connection: close'];
  return `${[...all, ...lines].join('\r\n')}\r\n\r\n`;
}

apiTest('a name that was made to point here gets nothing, with a good token either', async (world) => {
  assert.match(await world.raw(head(world)), /^HTTP\/1\.1 200/);
  const { port } = world.api.address;
  for (const host of [
    `evil.example:${port}`,
    '127.0.0.1',
    `127.0.0.1:${port + 1}`,
    `127.0.0.2:${port}`,
    `localhost.evil.example:${port}`,
    '',
  ]) {
    for (const path of ['/api/state', '/', '/api/session']) {
      assert.match(await world.raw(head(world, [], { host, path })), /^HTTP\/1\.1 403/, `${host} ${path}`);
    }
  }
  assert.match(await world.raw(head(world, [], { host: `localhost:${port}` })), /^HTTP\/1\.1 200/);
  assert.match(await world.raw('GET /api/state HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 403/);
});

apiTest("pages of others are refused: elsewhere's, and those of another program on this machine", async (world) => {
  const { port } = world.api.address;
  for (const origin of [
    'https://evil.example',
    'null',
    `http://127.0.0.1:${port + 1}`,
    `http://localhost:${port}`,
    `https://127.0.0.1:${port}`,
  ]) {
    assert.match(await world.raw(head(world, [`Origin: ${origin}`])), /^HTTP\/1\.1 403/, origin);
  }
  for (const site of ['cross-site', 'same-site']) {
    assert.match(await world.raw(head(world, [`Sec-Fetch-Site: ${site}`])), /^HTTP\/1\.1 403/, site);
  }
  const going = ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'];
  const visit = (path: string, dest: string) => world.raw(head(world, [...going, `Sec-Fetch-Dest: ${dest}`], { path }));
  assert.match(await visit('/', 'document'), /^HTTP\/1\.1 200/);
  assert.match(await visit('/', 'iframe'), /^HTTP\/1\.1 403/);
  assert.match(await visit('/api/state', 'document'), /^HTTP\/1\.1 403/);
  const preflight = head(world, ['Origin: https://evil.example', 'Access-Control-Request-Method: PUT']);
  const answer = await world.raw(preflight.replace('GET', 'OPTIONS'));
  assert.match(answer, /^HTTP\/1\.1 403/);
  assert.doesNotMatch(answer, /access-control-allow/i);
  assert.match(
    await world.raw(head(world, [`Origin: ${world.origin}`, 'Sec-Fetch-Site: same-origin'])),
    /^HTTP\/1\.1 200/,
  );
});

apiTest('without a token there is nothing but the app and the way in, however the path is written', async (world) => {
  const paths = [
    '/api/state',
    '/api/events',
    '/api/settings',
    '/api/entries',
    `/api/entries/${testEntry(1).entry.tag}/link`,
    '/api/why',
    '/api/openapi.json',
    '/%61pi/state',
  ];
  for (const path of paths) {
    for (const token of [null, 'a'.repeat(43)]) {
      const { status, json } = await world.call('GET', path, { token });
      assert.deepEqual([status, json.error.code], [401, 'unauthorized'], path);
    }
  }
  for (const path of ['/api/../api/state', '//api/state', '/API/state', '/..%2f..%2fpackage.json', '/%00', '/%ff']) {
    const answer = await world.raw(
      `GET ${path} HTTP/1.1\r\nHost: ${world.origin.slice(7)}\r\nConnection: close\r\n\r\n`,
    );
    assert.match(answer, /^HTTP\/1\.1 (?:40[04]|401)/, path);
  }
  assert.equal((await world.call('GET', '/', { token: null })).status, 200);
});

apiTest('a one-time code lets in once, for a minute, and cannot be guessed at leisure', async (world) => {
  const tryCode = async (code: string) =>
    (await world.call('POST', '/api/session', { token: null, body: { code } })).json;
  const code = codeOf(world.api.openUrl());
  assert.ok((await tryCode(code)).token);
  assert.equal((await tryCode(code)).error.code, 'bad-code');
  const late = codeOf(world.api.openUrl());
  await world.clock.advance(60_000);
  assert.equal((await tryCode(late)).error.code, 'bad-code');
  await world.clock.advance(60_000);
  for (let i = 0; i < 10; i += 1) assert.equal((await tryCode(`guess-${i}`)).error.code, 'bad-code');
  const good = codeOf(world.api.openUrl());
  assert.equal((await tryCode(good)).error.code, 'too-many');
  await world.clock.advance(59_999);
  assert.equal((await tryCode('more')).error.code, 'too-many');
  await world.clock.advance(1);
  assert.ok((await tryCode(codeOf(world.api.openUrl()))).token);
});

apiTest('another user of the machine finds no file to read', async (world) => {
  await world.call('PUT', '/api/settings', { body: { language: 'fa' } });
  await world.call('POST', '/api/entries', { body: { text: testEntry(2).link } });
  for (const name of ['app-link', 'settings.json', 'entries.txt']) {
    assert.equal((await stat(join(world.folder, name))).mode & 0o777, 0o600, name);
  }
  assert.equal((await stat(world.folder)).mode & 0o777, 0o700);
  const code = codeOf((await readFile(join(world.folder, 'app-link'), 'utf8')).trim());
  const { json } = await world.call('POST', '/api/session', { token: null, body: { code } });
  assert.ok(json.token);
});

apiTest('bodies that are huge, malformed or of another type are refused', async (world) => {
  const huge = { text: 'x'.repeat(API_BOUNDS.bodyBytes + 1) };
  assert.equal((await world.call('POST', '/api/entries', { body: huge })).status, 413);
  const post = (body: string, type: string | null) =>
    world.raw(
      [
        'POST /api/connect HTTP/1.1',
        `Host: ${world.origin.slice(7)}`,
        `Authorization: Bearer ${world.token}`,
        'Connection: close',
        ...(type === null ? [] : [`Content-Type: ${type}`]),
        `Content-Length: ${body.length}`,
        '',
        body,
      ].join('\r\n'),
    );
  const types = ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=a', null];
  for (const type of types) assert.match(await post('{}', type), /^HTTP\/1\.1 415/, `${type}`);
  for (const body of ['', '{', '[]', 'null', '"x"', '{"__proto__":{"a":1}}', '{"more":1}', '\x80']) {
    assert.match(await post(body, 'application/json'), /^HTTP\/1\.1 400/, body);
  }
  const bomb = `${'['.repeat(30_000)}${']'.repeat(30_000)}`;
  assert.match(await post(bomb, 'application/json'), /^HTTP\/1\.1 400/);
  const fields = Array.from({ length: 2000 }, (_, i) => `X-${i}: ${'y'.repeat(20)}`);
  assert.doesNotMatch(await world.raw(head(world, fields)), /^HTTP\/1\.1 200/);
  assert.equal((await world.call('GET', '/api/state')).status, 200);
});

apiTest('who dawdles is let go, and who holds all places makes room', async (world) => {
  const ends: Promise<void>[] = [];
  for (const request of [
    'GET /api/state HT',
    `POST /api/session HTTP/1.1\r\nHost: ${world.origin.slice(7)}\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n{"co`,
  ]) {
    const conn = await world.dial();
    conn.write(request);
    ends.push(closed(conn));
  }
  // What was written before is read before: the server has it once it has answered this.
  assert.equal((await world.call('GET', '/api/state')).status, 200);
  await world.clock.advance(REQUEST_MS);
  await Promise.all(ends);
  const many = await Promise.all(Array.from({ length: MAX_CONNECTIONS + 20 }, () => world.dial()));
  assert.equal((await world.call('GET', '/api/state')).status, 200);
  for (const conn of many) conn.destroy();
});

apiTest('event streams are bounded, and one that nobody reads holds one line of each type', async (world) => {
  const headers = { authorization: `Bearer ${world.token}` };
  const replies: Response[] = [];
  for (let i = 0; i < API_BOUNDS.streams + 3; i += 1)
    replies.push(await fetch(`${world.origin}/api/events`, { headers }));
  const [oldest] = replies;
  await assert.rejects(async () => await oldest?.text());
  const last = replies.at(-1)?.body?.getReader();
  const first = new TextDecoder().decode((await last?.read())?.value);
  assert.equal(JSON.parse(first.split('\n')[0] ?? '').type, 'state');
  await Promise.allSettled(replies.slice(1).map((reply) => reply.body?.cancel()));
  await last?.cancel();
});

apiTest('every reply says what browsers may not do with it', async (world) => {
  for (const [path, token] of [
    ['/', null],
    ['/api/state', world.token],
    ['/api/state', null],
    ['/nothing', null],
  ] as const) {
    const { headers } = await world.call('GET', path, { token });
    assert.match(headers.get('content-security-policy') ?? '', /default-src 'self'.*frame-ancestors 'none'/, path);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    assert.equal(headers.get('x-frame-options'), 'DENY');
    assert.equal(headers.get('cross-origin-resource-policy'), 'same-origin');
    assert.equal(headers.get('cache-control'), 'no-store');
    assert.equal(headers.get('set-cookie'), null);
    assert.equal(headers.get('access-control-allow-origin'), null);
  }
});
