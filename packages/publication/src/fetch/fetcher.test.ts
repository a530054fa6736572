import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { bucketOf } from '../lists/bucket.ts';
import { decodeList } from '../lists/paper-list.ts';
import { draftFiles, draftKeyChange, draftPartner } from '../make/propose.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { dialLoopback, type Lie, startMirror, type TestMirror } from '../testing/test-mirror.ts';
import { Fetcher, type FetcherOptions } from './fetcher.ts';
import { firstState, withKept } from './trusted-state.ts';

interface World {
  readonly publisher: TestPublisher;
  readonly mirror: TestMirror;
  readonly store: Storage;
  open(options?: Partial<FetcherOptions>): Promise<Fetcher>;
}

async function createWorld(context: TestContext, lie?: Lie): Promise<World> {
  const publisher = await TestPublisher.create();
  const mirror = await startMirror(publisher.storage, lie);
  context.after(() => mirror[Symbol.asyncDispose]());
  const store = createMemoryStorage(publisher.clock);
  const root = await publisher.rootBytes();
  const open = async (options: Partial<FetcherOptions> = {}) => {
    const mirrors = { urls: [mirror.url], dial: dialLoopback };
    const fetcher = await Fetcher.open(publisher, { root, store, mirrors, ...options });
    context.after(() => fetcher[Symbol.dispose]());
    return fetcher;
  };
  return { publisher, mirror, store, open };
}

test('a client that has the root alone gets lists and files, and later what has changed of them', async (context) => {
  const { publisher, mirror, open } = await createWorld(context);
  const key = publisher.addList(20);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics'), custom: { digest: 'x' } });
  await publisher.publish();
  const fetcher = await open();
  await assert.rejects(fetcher.target('network/tactics'), { code: 'not-found' });
  assert.deepEqual(await fetcher.refresh(), {
    version: 2,
    isNew: true,
    validity: 'valid',
    clock: 'unknown',
    cause: null,
  });
  assert.deepEqual((await fetcher.entryList(key)).entries, publisher.lists[0]?.entries.toSorted(Buffer.compare));
  const tactics = await fetcher.target('network/tactics');
  assert.deepEqual([tactics.bytes.toString(), tactics.custom], ['tactics', { digest: 'x' }]);
  mirror.asked.length = 0;
  assert.equal((await fetcher.refresh()).isNew, false);
  assert.deepEqual(mirror.asked, ['metadata/2.root.json', 'metadata/timestamp.json']);
  publisher.changeList(key);
  await publisher.publish();
  mirror.asked.length = 0;
  assert.equal((await fetcher.refresh()).isNew, true);
  const list = await fetcher.entryList(key);
  assert.equal(list.version, 2);
  assert.deepEqual(list.entries, publisher.lists[0]?.entries.toSorted(Buffer.compare));
  assert.deepEqual(
    mirror.asked.map((name) => name.replace(/[0-9a-f]{64}/, 'HASH').replace(/network.*/, 'network…')),
    [
      'metadata/2.root.json',
      'metadata/timestamp.json',
      'metadata/3.snapshot.json',
      'metadata/3.network…',
      'targets/network…',
    ],
  );
});

test('what was fetched is there after a restart, without any mirror', async (context) => {
  const { publisher, open } = await createWorld(context);
  const key = publisher.addList(3);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics') });
  await publisher.publish();
  const first = await open();
  await first.refresh();
  await first.entryList(key);
  await first.target('network/tactics');
  const second = await open({ mirrors: { urls: [], dial: dialLoopback } });
  assert.equal((await second.keptEntryList(key))?.entries.length, 3);
  assert.equal((await second.kept('network/tactics'))?.bytes.toString(), 'tactics');
  assert.equal((await second.target('network/tactics')).bytes.toString(), 'tactics');
  assert.equal(await second.kept('network/other'), null);
  await assert.rejects(second.refresh(), { code: 'unavailable' });
});

test('many changes at once come as deltas, and as a whole where there are too many', async (context) => {
  const { publisher, open } = await createWorld(context);
  const key = publisher.addList(60);
  await publisher.publish();
  const fetcher = await open();
  for (const changes of [3, 1, 20]) {
    await fetcher.refresh();
    await fetcher.entryList(key);
    for (let change = 0; change < changes; change++) {
      publisher.changeList(key);
      await publisher.publish();
    }
    const before = fetcher.receivedBytes;
    await fetcher.refresh();
    assert.deepEqual((await fetcher.entryList(key)).entries, publisher.lists[0]?.entries.toSorted(Buffer.compare));
    const isWhole = fetcher.receivedBytes - before > 18_000;
    assert.equal(isWhole, changes === 20);
  }
});

test('a change that no mirror has does not keep the list from coming whole', async (context) => {
  const { publisher, open } = await createWorld(context, (name, honest) => {
    // Deltas are short.
    return name.startsWith('targets/') && (honest?.length ?? 0) < 1000 ? null : honest;
  });
  const key = publisher.addList(20);
  await publisher.publish();
  const fetcher = await open();
  await fetcher.refresh();
  await fetcher.entryList(key);
  publisher.changeList(key);
  await publisher.publish();
  await fetcher.refresh();
  assert.equal((await fetcher.entryList(key)).version, 2);
});

test('a transfer that breaks goes on where it was, at the next mirror and after a restart', async (context) => {
  const bytes = Buffer.alloc(400_000, 'release');
  let served = 0;
  const breaking: Lie = (name, honest, response) => {
    if (!name.endsWith('.bundle') || honest === null) return honest;
    response.writeHead(200, { 'content-length': honest.length });
    response.write(honest.subarray(0, 200_000), () => response.destroy());
    return 'handled';
  };
  const { publisher, mirror, open } = await createWorld(context, breaking);
  const files = new Map([['releases/bundle', { bytes }]]);
  await draftFiles(publisher, 'releases', { files, nowMs: publisher.clock.wallMs() });
  await publisher.signPending();
  await publisher.publish();
  const first = await open({ mirrors: { urls: [mirror.url], dial: dialLoopback, failuresPerMirror: 1 } });
  await first.refresh();
  await assert.rejects(first.target('releases/bundle'), { code: 'unavailable' });
  const whole = await startMirror(publisher.storage, (name, honest, response) => {
    if (!name.endsWith('.bundle')) return honest;
    response.on('finish', () => {
      served = Number(response.getHeader('x-served'));
    });
    return honest;
  });
  context.after(() => whole[Symbol.asyncDispose]());
  const second = await open({ mirrors: { urls: [whole.url], dial: dialLoopback } });
  const before = second.receivedBytes;
  assert.deepEqual((await second.target('releases/bundle')).bytes, bytes);
  const received = second.receivedBytes - before;
  assert.ok(received < 300_000, `${received} ${served}`);
  assert.ok(!(await second.kept('releases/bundle'))?.bytes.equals(Buffer.alloc(0)));
});

test('the first mirror has its failures, then the next one is asked, and stays the first', async (context) => {
  const { publisher, open, mirror } = await createWorld(context);
  let asked = 0;
  const broken = await startMirror(publisher.storage, (_name, _honest, response) => {
    asked++;
    response.writeHead(500).end();
    return 'handled';
  });
  context.after(() => broken[Symbol.asyncDispose]());
  const mirrors = { urls: [broken.url, 'http://127.0.0.1:1/', mirror.url], dial: dialLoopback, failuresPerMirror: 3 };
  const fetcher = await open({ mirrors });
  await fetcher.refresh();
  assert.equal(asked, 3);
  await fetcher.refresh();
  assert.equal(asked, 3);
});

test('metadata may come packed, and nothing unpacks into more than there may be', async (context) => {
  let isBomb = false;
  const packing: Lie = (name, honest, response) => {
    if (!name.endsWith('.json') || honest === null) return honest;
    const body = isBomb && name.endsWith('timestamp.json') ? Buffer.alloc(50_000_000) : honest;
    response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(body));
    return 'handled';
  };
  const { open } = await createWorld(context, packing);
  const fetcher = await open();
  assert.equal((await fetcher.refresh()).version, 1);
  isBomb = true;
  await assert.rejects(fetcher.refresh(), { code: 'too-large' });
});

test('roots are followed: 2 of 3 keys, then with one lost 2 of 3 others', async (context) => {
  const { publisher, open } = await createWorld(context);
  const fetcher = await open();
  await fetcher.refresh();
  const [lost, second, third] = publisher.keys.root;
  assert.ok(lost && second && third);
  const fresh = publisher.drawKey();
  await draftKeyChange(publisher, { role: 'root', add: [fresh], remove: [lost.id] }, publisher.clock.wallMs());
  await publisher.signPending({ root: [second, third] });
  await publisher.publish();
  const [other, another] = [publisher.drawKey(), publisher.drawKey()];
  const change = { role: 'root', add: [other, another], remove: [second.id, third.id] };
  await draftKeyChange(publisher, change, publisher.clock.wallMs());
  await publisher.signPending({ root: [fresh, third, other, another] });
  const { version } = await publisher.publish();
  assert.equal((await fetcher.refresh()).version, version);
  // A new client, from the first root and from the last.
  for (const root of [await publisher.rootBytes(1), await publisher.rootBytes(3)]) {
    const late = await open({ root, store: createMemoryStorage(publisher.clock) });
    assert.equal((await late.refresh()).version, version);
  }
});

test('a partner signs for their own files, and only the key that the brand names will do', async (context) => {
  const { publisher, open } = await createWorld(context);
  const partner = publisher.drawKey();
  const nowMs = publisher.clock.wallMs();
  await draftPartner(publisher, { name: 'radio', key: partner }, nowMs);
  const files = new Map([['partners/radio/news', { bytes: Buffer.from('news') }]]);
  await draftFiles(publisher, 'partner-radio', { files, nowMs });
  await publisher.signPending({ targets: publisher.keys.targets, 'partner-radio': [partner] });
  await publisher.publish();
  const fetcher = await open({ partnerKeys: new Map([['radio', partner]]) });
  await fetcher.refresh();
  assert.equal((await fetcher.target('partners/radio/news')).bytes.toString(), 'news');
  await assert.rejects(fetcher.target('partners/radio/other'), { code: 'not-found' });
  await assert.rejects(fetcher.target('partners/nobody/news'), { code: 'not-found' });
  const pinned = await open({
    store: createMemoryStorage(publisher.clock),
    partnerKeys: new Map([['radio', publisher.drawKey()]]),
  });
  await pinned.refresh();
  await assert.rejects(pinned.target('partners/radio/news'), { code: 'not-authentic' });
});

test('a client that is killed at any write goes on from what it had', async (context) => {
  const { publisher, mirror, open } = await createWorld(context);
  const folder = await mkdtemp(join(tmpdir(), 'rozan-fetch-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const key = publisher.addList(20);
  await publisher.publish();
  const store = createFolderStorage(folder, { isPrivate: true });
  const first = await open({ store });
  await first.refresh();
  await first.entryList(key);
  for (let writes = 0; writes < 8; writes++) {
    publisher.changeList(key);
    await publisher.publish();
    let left = writes;
    const dying: Storage = {
      ...store,
      write: async (name, bytes) => {
        if (left-- <= 0) throw new Error('killed');
        await store.write(name, bytes);
      },
    };
    const killed = await open({ store: dying });
    await killed
      .refresh()
      .then(() => killed.entryList(key))
      .catch(() => {});
    const offline = await open({ store, mirrors: { urls: [], dial: dialLoopback } });
    assert.equal((await offline.keptEntryList(key))?.entries.length, 20);
    assert.ok((await offline.entryList(key).catch(() => offline.keptEntryList(key)))?.entries);
  }
  const last = await open({ store, mirrors: { urls: [mirror.url], dial: dialLoopback } });
  await last.refresh();
  assert.deepEqual((await last.entryList(key)).entries, publisher.lists[0]?.entries.toSorted(Buffer.compare));
});

test('a list may be fetched as any other file, sealed, and is a list all the same', async (context) => {
  const { publisher, open } = await createWorld(context);
  const key = publisher.addList(5);
  await publisher.publish();
  const fetcher = await open();
  await fetcher.refresh();
  const { path } = bucketOf(key);
  assert.equal((await fetcher.entryList(key)).entries.length, 5);
  const sealed = (await fetcher.target(path)).bytes;
  assert.equal(decodeList(bucketOf(key).open('entry list', sealed)).length, 5);
  assert.equal((await fetcher.entryList(key)).entries.length, 5);
  assert.equal((await fetcher.keptEntryList(key))?.entries.length, 5);
});

test('of what is kept partners push out only each other', () => {
  const target = { sha256: 'ab'.repeat(32), length: 1, custom: {}, issuedMs: 0, expiresMs: 1 };
  let state = firstState(Buffer.alloc(0));
  const names = ['list a', 'network/tactics', ...Array.from({ length: 400 }, (_, index) => `partners/radio/${index}`)];
  for (const name of names) ({ state } = withKept(state, name, target));
  assert.equal(state.kept.size, 256);
  assert.ok(state.kept.has('list a') && state.kept.has('network/tactics') && state.kept.has('partners/radio/399'));
});

test('what a killed client has left is removed at the next start, and parts of files when they are old', async (context) => {
  const { publisher, store, open } = await createWorld(context);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics') });
  await publisher.publish();
  const fetcher = await open();
  await fetcher.refresh();
  await fetcher.target('network/tactics');
  await store.write(`files/${'ab'.repeat(32)}`, Buffer.from('x'));
  await store.write(`parts/${'ab'.repeat(32)}.0`, Buffer.from('x'));
  const names = async () => (await store.list('')).map(({ name }) => name.split('/')[0]).toSorted();
  await open();
  assert.deepEqual(await names(), ['files', 'parts', 'trusted.json']);
  publisher.passHours(24 * 15);
  assert.equal((await (await open()).kept('network/tactics'))?.bytes.toString(), 'tactics');
  assert.deepEqual(await names(), ['files', 'trusted.json']);
});
