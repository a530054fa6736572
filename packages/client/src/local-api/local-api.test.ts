import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Validator } from '@seriousme/openapi-schema-validator';
import fc from 'fast-check';
import { z } from 'zod';
import { ApiFailure } from './api-error.ts';
import { API_ROUTES } from './api-routes.ts';
import { entriesAddedSchema, eventSchema, settingsReplySchema, stateSchema, whySchema } from './api-types.ts';
import { openApiDocument } from './open-api.ts';
import { createApiWorld, testEntry } from './testing/api-world.ts';

const RUNS = 25;

test('a client that is off says so, with all that the first page shows', async () => {
  await using world = await createApiWorld({ entries: [testEntry(1)] });
  const { json } = await world.call('GET', '/api/state');
  const state = stateSchema.parse(json);
  assert.deepEqual([state.phase, state.connection, state.attempt, state.entries.total], ['off', null, null, 1]);
  assert.match(state.proxies.socks ?? '', /^127\.0\.0\.1:\d+$/);
  assert.equal(whySchema.parse((await world.call('GET', '/api/why')).json).verdict, 'off');
});

test('without an entry there is nothing to connect with; entries are pasted, told apart, listed and shared', async () => {
  await using world = await createApiWorld();
  assert.equal((await world.call('POST', '/api/connect', { body: {} })).json.error.code, 'conflict');
  const [one, two] = [testEntry(1), testEntry(2)];
  const paste = async (text: string) =>
    entriesAddedSchema.parse((await world.call('POST', '/api/entries', { body: { text } })).json);
  assert.deepEqual(await paste('hello'), { added: [], known: [], refused: [{ index: 0, reason: 'none-found' }] });
  const message = `Hi! Use ${one.link} or this one:\n${two.link}\nand not rozan://nonsense, see you`;
  const first = await paste(message);
  assert.deepEqual(first.added, [one.entry.tag, two.entry.tag]);
  assert.deepEqual(first.refused, [{ index: 2, reason: 'malformed' }]);
  const damaged = one.link.replace(/.{6}$/, (end) => (end === 'AAAAAA' ? 'BBBBBB' : 'AAAAAA'));
  assert.deepEqual((await paste(`${two.link}\n\n${damaged}`)).known, [two.entry.tag]);
  const { json } = await world.call('GET', '/api/entries');
  assert.deepEqual(
    json.entries.map(({ state }: { state: string }) => state),
    ['untried', 'untried'],
  );
  assert.doesNotMatch(JSON.stringify(json), /127\.0\.0\.1/);
  const path = `/api/entries/${one.entry.tag}/link`;
  assert.equal((await world.call('GET', path)).json.link, one.link);
  assert.equal((await world.call('GET', '/api/entries/none/link')).json.error.code, 'not-found');
  assert.equal(await readFile(join(world.folder, 'entries.txt'), 'utf8'), `${one.link}\n${two.link}\n`);
});

test('settings are kept, all or none, and passwords stay where they are', async () => {
  await using world = await createApiWorld();
  const put = (body: unknown) => world.call('PUT', '/api/settings', { body });
  const upstreamProxy = { kind: 'http', host: 'proxy.lan', port: 3128, user: 'u', password: 'secret-word' };
  const { json } = await put({ language: 'fa', socksPort: 2080, upstreamProxy });
  const reply = settingsReplySchema.parse(json);
  assert.deepEqual(reply.waiting, ['socksPort', 'upstreamProxy']);
  assert.deepEqual(reply.settings.upstreamProxy, {
    kind: 'http',
    host: 'proxy.lan',
    port: 3128,
    user: 'u',
    hasPassword: true,
  });
  assert.doesNotMatch(JSON.stringify(json), /secret-word/);
  assert.equal((await world.call('GET', '/api/state')).json.restartNeeded, true);
  assert.match(world.api.openUrl(), /\/\?lang=fa#code=/);
  // The password is kept for the same proxy, and not told to another.
  const { password: _, ...same } = upstreamProxy;
  assert.equal((await put({ upstreamProxy: same })).json.settings.upstreamProxy.hasPassword, true);
  assert.equal(
    (await put({ upstreamProxy: { ...same, host: 'other.lan' } })).json.settings.upstreamProxy.hasPassword,
    false,
  );
  for (const [body, code] of [
    [{ startAtLogin: true, language: 'ru' }, 'unavailable'],
    [{ socksPort: 8080, language: 'ru' }, 'malformed'],
    [{ socksPort: 80, language: 'ru' }, 'malformed'],
    [{ language: 'tlh' }, 'malformed'],
    [{ more: 1 }, 'malformed'],
  ] as const) {
    assert.equal((await put(body)).json.error.code, code);
  }
  assert.equal((await world.call('GET', '/api/settings')).json.settings.language, 'fa');
  assert.equal(JSON.parse(await readFile(join(world.folder, 'settings.json'), 'utf8')).language, 'fa');
});

test('domestic places and a country act at once, and nothing is direct before', async () => {
  await using world = await createApiWorld();
  const put = (body: unknown) => world.call('PUT', '/api/settings', { body });
  const before = (await world.call('GET', '/api/settings')).json;
  assert.deepEqual([before.settings.bypassDomestic, before.settings.country], [false, null]);
  assert.deepEqual([before.acts.bypassDomestic, before.acts.country], ['now', 'now']);
  const { json } = await put({ bypassDomestic: true, country: 'IR' });
  assert.deepEqual([json.settings.bypassDomestic, json.settings.country, json.waiting], [true, 'IR', []]);
  for (const country of ['ir', 'IRN', '', 'I1', 7]) {
    assert.equal((await put({ country, bypassDomestic: false })).json.error.code, 'malformed');
  }
  assert.equal((await world.call('GET', '/api/settings')).json.settings.bypassDomestic, true);
  assert.equal((await put({ country: null })).json.settings.country, null);
  assert.equal((await world.call('GET', '/api/state')).json.direct, 0);
});

test('what the system does not take is not kept, and nothing else of the request', async () => {
  const [proxy, login] = [
    { isOn: false, isBroken: false },
    { isOn: false, isBroken: false },
  ];
  const switchOf = (machine: typeof proxy) => ({
    turn: async (on: boolean) => {
      if (machine.isBroken && on) throw new ApiFailure('failed', 'it is broken');
      machine.isOn = on;
    },
  });
  await using world = await createApiWorld({
    entries: [testEntry(1)],
    systemProxy: { ...switchOf(proxy), state: 'off', isForeign: false },
    startAtLogin: switchOf(login),
  });
  const put = (body: unknown) => world.call('PUT', '/api/settings', { body });
  const kept = async () => (await world.call('GET', '/api/settings')).json.settings;
  world.client.pool.resume();
  proxy.isBroken = true;
  assert.equal((await put({ language: 'ru', startAtLogin: true, systemProxy: true })).json.error.code, 'failed');
  const { language, startAtLogin, systemProxy } = await kept();
  assert.deepEqual([language, startAtLogin, systemProxy], [null, false, false]);
  assert.equal(login.isOn, false);
  proxy.isBroken = false;
  assert.equal((await put({ language: 'ru', startAtLogin: true, systemProxy: true })).status, 200);
  assert.deepEqual([login.isOn, proxy.isOn], [true, true]);
  login.isBroken = true;
  assert.equal((await put({ systemProxy: false, startAtLogin: true })).json.error.code, 'failed');
  assert.equal((await kept()).startAtLogin, true);
  assert.equal(proxy.isOn, true);
  // What cannot be had at all leaves the others as they were.
  assert.equal((await put({ systemProxy: false, region: 'NL' })).json.error.code, 'unavailable');
  assert.equal(proxy.isOn, true);
});

test('a stream begins with the state, and tells of what changes', async () => {
  await using world = await createApiWorld();
  const reply = await fetch(`${world.origin}/api/events`, { headers: { authorization: `Bearer ${world.token}` } });
  assert.equal(reply.headers.get('content-type'), 'application/x-ndjson; charset=utf-8');
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  let left = '';
  const next = async () => {
    while (!left.includes('\n')) left += (await reader?.read())?.value ?? '';
    const [line = ''] = left.split('\n', 1);
    left = left.slice(line.length + 1);
    return eventSchema.parse(JSON.parse(line));
  };
  assert.equal((await next()).type, 'state');
  await world.call('POST', '/api/entries', { body: { text: testEntry(1).link } });
  assert.equal((await next()).type, 'entries');
  await world.clock.advance(250);
  const event = await next();
  assert.ok(event.type === 'state' && event.state.entries.total === 1);
  await world.clock.advance(15_000);
  assert.equal((await next()).type, 'beat');
  await reader?.cancel();
});

test('the document is one of OpenAPI, and names every request', async () => {
  const { openapi, paths } = z
    .looseObject({ openapi: z.literal('3.1.0'), paths: z.record(z.string(), z.record(z.string(), z.looseObject({}))) })
    .parse(openApiDocument(API_ROUTES, '0'));
  assert.equal(openapi, '3.1.0');
  const named = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const known = API_ROUTES.map(({ method, path }) => `${method.toLowerCase()} ${path.replace(':id', '{id}')}`);
  assert.deepEqual(named.sort(), [...known, 'get /api/events'].sort());
  const { valid, errors } = await new Validator().validate(structuredClone(openApiDocument(API_ROUTES, '0')));
  assert.ok(valid, JSON.stringify(errors));
});

/** Values that begin as a schema wants them, now and then with something else in their place. */
function bodiesOf(schema: z.ZodObject): fc.Arbitrary<unknown> {
  const names = Object.keys(schema.shape);
  const some = fc.oneof(
    fc.jsonValue(),
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.integer({ min: -1, max: 70_000 }),
    fc.boolean(),
    fc.constantFrom(null, 'fa', 'IR', 'rozan://AAAA', { kind: 'socks5', host: 'h', port: 1, user: '' }),
  );
  const members = fc.dictionary(fc.oneof(fc.constantFrom(...names, 'x'), fc.string({ maxLength: 8 })), some, {
    maxKeys: 6,
  });
  return fc.oneof({ weight: 8, arbitrary: members }, { weight: 1, arbitrary: fc.jsonValue() });
}

test('whatever is sent, the API does not fail', async () => {
  await using world = await createApiWorld({ entries: [testEntry(1)] });
  for (const { method, path, body, isOpen } of API_ROUTES) {
    if (path === '/api/connect' || isOpen) continue;
    const values = fc.record({
      id: fc.string({ maxLength: 40 }),
      body: body === null ? fc.constant(undefined) : bodiesOf(body),
    });
    const property = fc.asyncProperty(values, async ({ id, body: sent }) => {
      const place = path.replace(':id', encodeURIComponent(id) || '-');
      const { status } = await world.call(method, place, { body: sent });
      assert.ok(status < 500 || status === 501, `${method} ${place}: ${status}`);
    });
    await fc.assert(property, { numRuns: RUNS });
  }
  assert.equal(
    world.events.some(({ event }) => event === 'api.failed'),
    false,
  );
});
