import assert from 'node:assert/strict';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseServerEntry } from '@rozan/protocol';
import {
  beginPublication,
  createFolderStorage,
  createMemoryStorage,
  Fetcher,
  parseBrand,
  StateFolder,
} from '@rozan/publication';
import { dialLoopback, startMirror } from '@rozan/publication/testing';
import { createEnv, type LogEvent } from '@rozan/tunnel';
import fc from 'fast-check';
import { sql } from '../database/database.ts';
import { PUBLICATION_BOUNDS, RELAY_BOUNDS } from '../limits.ts';
import { apiTests, type TestApi } from '../testing/test-api.ts';
import { enrolTestRelay } from '../testing/test-relay.ts';
import { issueTime, relaysOf } from './entry-lists.ts';
import { Publisher } from './publisher.ts';

const apiTest = apiTests();

/** A publication that has begun, and who publishes it when the clock is moved. */
async function startPublishing(api: TestApi, context: TestContext, others: readonly string[] = []) {
  const root = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  context.after(() => rm(root, { recursive: true, force: true }));
  const events: LogEvent[] = [];
  const all: LogEvent[] = [];
  let heard: () => void = () => {};
  const log = (event: LogEvent) => {
    events.push(event);
    all.push(event);
    heard();
  };
  const env = { ...createEnv({ log }), clock: api.clock };
  const path = join(root, 'publication');
  {
    using folder = await StateFolder.open(path);
    await beginPublication(env, folder, { folder: join(root, 'offline') });
  }
  const { database, signer } = api;
  const next = async (event: string) => {
    while (!events.some((each) => each.event === event)) {
      await new Promise<void>((resolve) => {
        heard = resolve;
      });
    }
    return events.splice(0).findLast((each) => each.event === event);
  };
  const publisher = new Publisher(env, { database, signer, folder: path, to: [...others, join(root, 'mirror')] });
  context.after(() => publisher[Symbol.asyncDispose]());
  await next(others.length === 0 ? 'publication.published' : 'publication.failed');
  return {
    env,
    path,
    next,
    mirror: join(root, 'mirror'),
    /** All that was logged. */
    all,
    publisher,
    /** Publishes what has changed. */
    publish: async () => {
      await api.clock.advance(PUBLICATION_BOUNDS.lookMs);
      return await next('publication.published');
    },
  };
}

/** The relays that a client with this brand finds in a mirror. */
async function relaysFor(api: TestApi, brandText: string, path: string): Promise<string[]> {
  const brand = parseBrand(Buffer.from(brandText));
  using folder = await StateFolder.open(path);
  await using mirror = await startMirror(folder.storage);
  using fetcher = await Fetcher.open(api, {
    root: brand.root,
    store: createMemoryStorage(api.clock),
    mirrors: { urls: [mirror.url], dial: dialLoopback },
  });
  await fetcher.refresh();
  const { entries } = await fetcher.entryList(brand.bucket);
  return entries.map((bytes) => {
    const { entry, validity } = parseServerEntry(bytes, { nowMs: api.clock.wallMs() });
    assert.equal(validity, 'valid');
    assert.ok(entry.signer.equals(brand.entryKey));
    return entry.relay;
  });
}

apiTest('what relays a client finds follows what operators do', async (api, context) => {
  const as = await api.token('operator');
  const publishing = await startPublishing(api, context);
  await api.ok('POST', '/channels', { as, body: { channel: 'friends' } });
  const relays = await Promise.all([1, 2, 3].map((n) => enrolTestRelay(api, n, { as, channels: ['friends'] })));
  const brand = async () => (await api.ok('GET', '/channels/friends/buckets/0/brand', { as })).brand;
  await publishing.publish();
  assert.deepEqual(await relaysFor(api, await brand(), publishing.path), [], 'new relays are nobody’s business');

  for (const { name } of relays) {
    await api.ok('POST', `/relays/${name}/test`, { as, body: { passed: true } });
    await api.ok('POST', `/relays/${name}/serve`, { as });
  }
  await publishing.publish();
  const serving = relays.map(({ id }) => id).toSorted();
  assert.deepEqual((await relaysFor(api, await brand(), publishing.path)).toSorted(), serving);
  assert.equal(parseBrand(Buffer.from(await brand())).entries.length, 3);

  await api.ok('POST', `/relays/${relays[0]?.name}/drain`, { as });
  await publishing.publish();
  assert.deepEqual(
    (await relaysFor(api, await brand(), publishing.path)).toSorted(),
    serving.filter((id) => id !== relays[0]?.id),
  );

  const old = await brand();
  await api.ok('POST', '/channels/friends/buckets/0/key', { as });
  await publishing.publish();
  await assert.rejects(relaysFor(api, old, publishing.path), { code: 'not-found' });
});

apiTest('whoever watches the control plane sees whether changes wait, and no more', async (api, context) => {
  const as = await api.token('operator');
  const health = async () => await api.ok('GET', '/healthz');
  const none = { publishedAt: null, waitsSince: null, hasFailed: false };
  assert.deepEqual(await health(), { ok: true, publication: none });
  const at = new Date(api.clock.wallMs()).toISOString();
  await api.ok('POST', '/channels', { as, body: { channel: 'friends' } });
  api.clock.setWallMs(api.clock.wallMs() + 5_000);
  await api.ok('POST', '/channels', { as, body: { channel: 'family' } });
  assert.deepEqual((await health()).publication, { ...none, waitsSince: at }, 'the oldest one');
  await startPublishing(api, context);
  const { publishedAt, ...rest } = (await health()).publication;
  assert.deepEqual(rest, { waitsSince: null, hasFailed: false });
  assert.ok(Date.parse(publishedAt) > Date.parse(at) && Date.parse(publishedAt) <= api.clock.wallMs());
  await api.database.run(sql`update publication set error = 'a disk of ours is full'`);
  assert.equal((await health()).publication.hasFailed, true);
});

apiTest('how it goes is shown; a folder of another network is refused', async (api, context) => {
  const as = await api.token('analyst');
  const { publisher, env, next } = await startPublishing(api, context);
  const shown = await api.ok('GET', '/publication', { as });
  assert.equal(shown.error, null);
  assert.equal(shown.version, 1);
  assert.ok(shown.expiring.length > 0);
  await publisher[Symbol.asyncDispose]();

  const other = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  context.after(() => rm(other, { recursive: true, force: true }));
  {
    using folder = await StateFolder.open(join(other, 'publication'));
    await beginPublication(env, folder, { folder: join(other, 'offline') });
  }
  const { database, signer } = api;
  await using _wrong = new Publisher(env, { database, signer, folder: join(other, 'publication'), to: [] });
  assert.equal((await next('publication.failed'))?.code, 'conflict');
  assert.match((await api.ok('GET', '/publication', { as })).error, /does not hold the publication of the network/);
});

apiTest('two control planes publish one folder in turn, and an older copy of it not at all', async (api, context) => {
  const as = await api.token('operator');
  const { path, env, all, publisher } = await startPublishing(api, context);
  const old = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  context.after(() => rm(old, { recursive: true, force: true }));
  const copy = join(old, 'publication');
  await cp(path, copy, { recursive: true });
  const { database, signer } = api;
  const options = { database, signer, folder: path, to: [] };
  await using _second = new Publisher(env, options);
  await using _third = new Publisher(env, options);
  // One that is at work when the clock is moved looks again the next time.
  const until = async (event: string) => {
    while (!all.some((each) => each.event === event)) {
      await api.clock.advance(PUBLICATION_BOUNDS.lookMs);
      await database.run(sql`select 1`);
    }
    return all.splice(0);
  };
  const seen = all.splice(0);
  for (let count = 0; count < 6; count++) {
    await api.ok('POST', '/channels', { as, body: { channel: `channel-${count}` } });
    seen.push(...(await until('publication.published')));
  }
  const versions = seen.flatMap(({ event, version }) => (event === 'publication.published' ? [version] : []));
  assert.deepEqual(
    versions,
    versions.map((_, index) => index + 1),
  );
  assert.ok(seen.every(({ event }) => event !== 'publication.failed'));

  await publisher[Symbol.asyncDispose]();
  await using _old = new Publisher(env, { ...options, folder: copy });
  const failed = (await until('publication.failed')).find(({ event }) => event === 'publication.failed');
  assert.equal(failed?.code, 'conflict');
});

apiTest('a mirror that cannot be written to keeps no other from being', async (api, context) => {
  const as = await api.token('operator');
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const broken = join(folder, 'no-folder');
  await writeFile(broken, '');
  const { mirror, path } = await startPublishing(api, context, [broken]);
  using state = await StateFolder.open(path);
  const timestamp = 'metadata/timestamp.json';
  assert.deepEqual(await createFolderStorage(mirror).read(timestamp), await state.storage.read(timestamp));
  assert.match((await api.ok('GET', '/publication', { as })).error, /^copy 1 of 2: .* cannot be used/);
});

apiTest('a brand says what operators have set of the network', async (api, context) => {
  const as = await api.token('operator');
  await api.ok('POST', '/channels', { as, body: { channel: 'friends', buckets: 2 } });
  const early = await api.call('GET', '/channels/friends/buckets/0/brand', { as });
  assert.equal(early.status, 409, 'nothing was published yet');
  await startPublishing(api, context);
  const homes = ['*=https://news.example/', 'IR=https://news.example/fa?a=b'];
  const body = { name: 'روزن', mirrors: ['https://mirror.example/p/'], homes, feedback: ['age1qqq'] };
  await api.ok('PUT', '/network', { as, body });
  await api.ok('PUT', '/network', { as, body: { feedback: [] } });
  const brandOf = async (number: number) =>
    parseBrand(Buffer.from((await api.ok('GET', `/channels/friends/buckets/${number}/brand`, { as })).brand));
  const brand = await brandOf(0);
  assert.equal(brand.network, 'روزن');
  assert.deepEqual(brand.mirrors, body.mirrors);
  assert.equal(brand.homes.get('IR'), 'https://news.example/fa?a=b');
  assert.deepEqual(brand.feedback, []);
  assert.notDeepEqual((await brandOf(1)).bucket, brand.bucket);
  assert.equal((await api.call('GET', '/channels/friends/buckets/2/brand', { as })).status, 404);
  for (const wrong of [{ mirrors: ['ftp://x/'] }, { homes: ['Iran=https://x/'] }, { homes: ['IR=x'] }]) {
    assert.equal((await api.call('PUT', '/network', { as, body: wrong })).status, 400);
  }
});

test('entries keep their bytes for ten days, and hold for twenty more at the least', () => {
  const time = fc.integer({ min: 0, max: 4_000_000_000_000 });
  fc.assert(
    fc.property(fc.string(), time, fc.integer({ min: 0, max: RELAY_BOUNDS.entryMs / 3 }), (relay, nowMs, laterMs) => {
      const issuedMs = issueTime(relay, nowMs);
      assert.ok(issuedMs <= nowMs && nowMs < issuedMs + RELAY_BOUNDS.entryMs / 3);
      const later = issueTime(relay, nowMs + laterMs);
      assert.ok(later === issuedMs || later === issuedMs + RELAY_BOUNDS.entryMs / 3);
    }),
  );
});

test('a bucket has its own relays, the blocked ones last, and one that comes changes little', () => {
  const relay = fc.record({ id: fc.uuid(), is_burnt: fc.boolean() });
  const relays = fc.uniqueArray(relay, { maxLength: 80, selector: ({ id }) => id });
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(key, relays, relay, (bucket, all, other) => {
      const chosen = relaysOf(bucket, all);
      const well = all.filter(({ is_burnt }) => !is_burnt).length;
      const most = Math.max(Math.min(well, PUBLICATION_BOUNDS.bucketRelays), PUBLICATION_BOUNDS.leastBucketRelays);
      assert.equal(chosen.length, Math.min(all.length, most));
      if (well >= PUBLICATION_BOUNDS.leastBucketRelays) assert.ok(chosen.every(({ is_burnt }) => !is_burnt));
      const after = relaysOf(bucket, [...all, { ...other, is_burnt: false }]);
      const gone = chosen.filter(({ id }) => !after.some((one) => one.id === id));
      assert.ok(gone.length <= Math.max(1, PUBLICATION_BOUNDS.leastBucketRelays), `${gone.length} are gone`);
    }),
  );
});
