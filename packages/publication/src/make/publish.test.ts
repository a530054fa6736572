import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { targetFile } from '../layout.ts';
import { bucketOf } from '../lists/bucket.ts';
import { decodeList } from '../lists/paper-list.ts';
import { allBins, binOf } from '../roles.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { readPublished } from './documents.ts';
import { listCustom } from './network-part.ts';
import { acceptSigned } from './pending.ts';
import { draftFiles, draftFirst, draftKeyChange, draftPartner, draftRenewal } from './propose.ts';

/** What the library's own store says of all that is published, by the time of this test. */
async function verifyAll(publisher: TestPublisher, firstRoot = 1): Promise<void> {
  const published = await readPublished(publisher.storage);
  assert.ok(published);
  const store = new TrustedMetadataStore(await publisher.rootBytes(firstRoot));
  Reflect.set(store, 'referenceTime', new Date(publisher.clock.wallMs()));
  for (let version = firstRoot + 1; version <= published.root.signed.version; version++) {
    store.updateRoot(await publisher.rootBytes(version));
  }
  store.updateTimestamp(published.timestamp.bytes);
  store.updateSnapshot(published.snapshot.bytes);
  for (const [role, { bytes }] of [...published.roles].toSorted(([a], [b]) => depth(a) - depth(b))) {
    const parent = ['root', 'targets', 'network'][depth(role)] ?? '';
    store.updateDelegatedTargets(bytes, role, parent);
    for (const [path, target] of Object.entries(store.getRole(role)?.signed.targets ?? {})) {
      const file = await publisher.storage.read(targetFile(path, target.hashes.sha256 ?? ''));
      assert.equal(file?.length, target.length);
    }
  }
}

function depth(role: string): number {
  if (role === 'targets') return 0;
  return role.startsWith('network-') ? 2 : 1;
}

async function entriesOf(storage: Storage, key: Buffer): Promise<Buffer[]> {
  const bucket = bucketOf(key);
  const target = (await readPublished(storage))?.roles.get(binOf(bucket.path))?.signed.targets[bucket.path];
  const sealed = await storage.read(targetFile(bucket.path, target?.hashes.sha256 ?? ''));
  assert.ok(sealed);
  return decodeList(bucket.open('entry list', sealed));
}

test('a publication with lists and files is what a client accepts', async () => {
  const publisher = await TestPublisher.create();
  const keys = Array.from({ length: 20 }, () => publisher.addList(5));
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics'), custom: { digest: 'x' } });
  const report = await publisher.publish();
  assert.deepEqual(report.waiting, []);
  assert.equal(report.version, 2);
  await verifyAll(publisher);
  for (const key of keys) assert.equal((await entriesOf(publisher.storage, key)).length, 5);
});

test('nothing is written when nothing has changed, and only what has changed otherwise', async () => {
  const publisher = await TestPublisher.create();
  const keys = Array.from({ length: 10 }, () => publisher.addList(20));
  await publisher.publish();
  const idle = await publisher.publish();
  assert.deepEqual([idle.changed, idle.files], [[], 0]);
  const [key = Buffer.alloc(0)] = keys;
  publisher.changeList(key);
  const report = await publisher.publish();
  const bucket = bucketOf(key);
  assert.deepEqual(report.changed, [binOf(bucket.path), 'snapshot', 'timestamp']);
  // The list, what changes it, and the three documents.
  assert.equal(report.files, 5);
  const target = (await readPublished(publisher.storage))?.roles.get(binOf(bucket.path))?.signed.targets[bucket.path];
  const { version, deltas } = listCustom(target);
  assert.equal(version, 2);
  assert.deepEqual(
    deltas.map(({ from }) => from),
    [1],
  );
  await verifyAll(publisher);
});

test('dates are renewed in time: the timestamp after hours, the rest after a day', async () => {
  const publisher = await TestPublisher.create();
  publisher.passHours(5);
  assert.deepEqual((await publisher.publish()).changed, []);
  publisher.passHours(2);
  assert.deepEqual((await publisher.publish()).changed, ['timestamp']);
  publisher.passHours(24);
  const { changed } = await publisher.publish();
  assert.deepEqual(changed.toSorted(), [...allBins(), 'network', 'snapshot', 'timestamp'].toSorted());
  await verifyAll(publisher);
});

test('files that nothing refers to are removed after two days; roots stay', async () => {
  const publisher = await TestPublisher.create();
  const key = publisher.addList(5);
  await publisher.publish();
  publisher.changeList(key);
  await publisher.publish();
  const before = (await publisher.storage.list('')).length;
  publisher.passHours(72);
  await publisher.publish();
  assert.ok((await publisher.publish()).removed > 0);
  await verifyAll(publisher);
  assert.ok((await publisher.storage.list('')).length < before + allBins().length + 5);
  assert.ok(await publisher.storage.read('metadata/1.root.json'));
});

/** A storage that fails at the n-th write and from then on, as if its process had been killed there. */
function dyingStorage(storage: Storage, writes: number): Storage {
  let left = writes;
  const die = () => {
    if (left-- <= 0) throw new Error('killed');
  };
  return {
    ...storage,
    write: async (name, bytes) => {
      die();
      await storage.write(name, bytes);
    },
    remove: async (name) => {
      die();
      await storage.remove(name);
    },
  };
}

test('a process that is killed at any write leaves a publication that holds, and the next one goes on', async () => {
  for (let writes = 0; ; writes++) {
    const publisher = await TestPublisher.create();
    const key = publisher.addList(20);
    await publisher.publish();
    publisher.changeList(key);
    publisher.files.set('network/tactics', { bytes: Buffer.from(`tactics ${writes}`) });
    const dying = new TestPublisher({ storage: dyingStorage(publisher.storage, writes) });
    Object.assign(dying, { keys: publisher.keys, lists: publisher.lists, files: publisher.files });
    const outcome = await dying.publish().catch((error: Error) => error.message);
    await verifyAll(publisher);
    await publisher.publish();
    await verifyAll(publisher);
    assert.equal((await entriesOf(publisher.storage, key)).length, 20);
    if (typeof outcome !== 'string') break;
    assert.equal(outcome, 'killed');
    assert.ok(writes < 20);
  }
});

test('before enough have signed nothing is published', async () => {
  const publisher = new TestPublisher();
  await draftFirst(publisher, publisher.keys, publisher.clock.wallMs());
  await assert.rejects(publisher.publish(), { code: 'unsigned' });
  const one = (role: 'root' | 'targets' | 'releases') => publisher.keys[role].slice(0, 1);
  await publisher.signPending({ root: one('root'), targets: one('targets'), releases: one('releases') });
  await assert.rejects(publisher.publish(), { code: 'unsigned' });
  await publisher.signPending();
  assert.equal((await publisher.publish()).version, 1);
  await assert.rejects(draftFirst(publisher, publisher.keys, 0), { code: 'conflict' });
});

test('signatures of several people are put together; others are not taken', async () => {
  const publisher = await TestPublisher.create();
  await draftRenewal(publisher, 'releases', publisher.clock.wallMs());
  const waiting = async () =>
    (await publisher.publish()).waiting.map(({ role, needs }) => [role, needs[0]?.signed.length]);
  assert.deepEqual(await waiting(), [['releases', 0]]);
  const draft = await publisher.pending.read('2.releases.json');
  assert.ok(draft);
  const copies = createMemoryStorage(publisher.clock);
  for (const [index, key] of publisher.keys.releases.entries()) {
    const other = new TestPublisher();
    await other.pending.write('2.releases.json', draft);
    await other.signPending({ releases: [key] });
    await copies.write(`${index}`, (await other.pending.read('2.releases.json')) ?? draft);
  }
  await acceptSigned(publisher.pending, (await copies.read('0')) ?? draft);
  assert.deepEqual(await waiting(), [['releases', 1]]);
  await acceptSigned(publisher.pending, (await copies.read('2')) ?? draft);
  assert.deepEqual(await waiting(), []);
  await verifyAll(publisher);
  await assert.rejects(acceptSigned(publisher.pending, draft), { code: 'not-found' });
});

test('releases wait for two of three, and their files are there before', async () => {
  const publisher = await TestPublisher.create();
  const files = new Map([['releases/1.0.0/bundle', { bytes: Buffer.from('release'), custom: { version: '1.0.0' } }]]);
  const nowMs = publisher.clock.wallMs();
  assert.equal(await draftFiles(publisher, 'releases', { files, nowMs }), true);
  assert.deepEqual((await publisher.publish()).changed, []);
  await publisher.signPending();
  assert.deepEqual((await publisher.publish()).changed, ['releases', 'snapshot', 'timestamp']);
  assert.equal(await draftFiles(publisher, 'releases', { files, nowMs }), false);
  await verifyAll(publisher);
});

test('a partner signs with a key of their own, which people who sign targets have let in', async () => {
  const publisher = await TestPublisher.create();
  const partner = publisher.drawKey();
  await draftPartner(publisher, { name: 'radio', key: partner }, publisher.clock.wallMs());
  await publisher.signPending();
  assert.deepEqual((await publisher.publish()).changed, ['targets', 'snapshot', 'timestamp']);
  await verifyAll(publisher);
  const files = new Map([['partners/radio/news', { bytes: Buffer.from('news') }]]);
  await draftFiles(publisher, 'partner-radio', { files, nowMs: publisher.clock.wallMs() });
  await publisher.signPending({ 'partner-radio': publisher.keys.releases });
  assert.deepEqual((await publisher.publish()).changed, []);
  await publisher.signPending({ 'partner-radio': [partner] });
  assert.deepEqual((await publisher.publish()).changed, ['partner-radio', 'snapshot', 'timestamp']);
  await verifyAll(publisher);
  await assert.rejects(
    draftFiles(publisher, 'partner-radio', { files: new Map([['releases/x', { bytes: Buffer.alloc(1) }]]), nowMs: 0 }),
    { code: 'conflict' },
  );
});

test('root: one of three keys is lost, the other two let another in', async () => {
  const publisher = await TestPublisher.create();
  const [lost, second, third] = publisher.keys.root;
  const fresh = publisher.drawKey();
  assert.ok(lost && second && third);
  const change = { role: 'root', add: [fresh], remove: [lost.id] };
  await draftKeyChange(publisher, change, publisher.clock.wallMs());
  await publisher.signPending({ root: [fresh, third] });
  assert.deepEqual((await publisher.publish()).changed, []);
  await publisher.signPending({ root: [second, third] });
  assert.deepEqual((await publisher.publish()).changed, ['root', 'snapshot', 'timestamp']);
  await verifyAll(publisher);
  await draftRenewal(publisher, 'root', publisher.clock.wallMs());
  await publisher.signPending({ root: [fresh, second] });
  await publisher.publish();
  await verifyAll(publisher);
  await verifyAll(publisher, 2);
});

for (const role of ['targets', 'releases', 'network', 'snapshot', 'timestamp'] as const) {
  test(`the key of ${role} was stolen: it is replaced, and what it has signed is signed anew`, async () => {
    const publisher = await TestPublisher.create();
    publisher.addList(5);
    await publisher.publish();
    const [stolen] = publisher.keys[role];
    const fresh = publisher.drawKey();
    assert.ok(stolen);
    await draftKeyChange(publisher, { role, add: [fresh], remove: [stolen.id] }, publisher.clock.wallMs());
    publisher.keys[role] = [fresh, ...publisher.keys[role]];
    const needed = role === 'targets' || role === 'releases' ? [fresh, publisher.keys[role][2] ?? fresh] : undefined;
    await publisher.signPending(needed === undefined ? undefined : { [role]: needed });
    const report = await publisher.publish();
    assert.deepEqual(report.waiting, []);
    await verifyAll(publisher);
    const published = await readPublished(publisher.storage);
    assert.ok(!JSON.stringify([published?.root.signed, published?.roles.get('targets')?.signed]).includes(stolen.id));
  });
}

test('new keys of targets are not let in before targets are signed by them', async () => {
  const publisher = await TestPublisher.create();
  const fresh = [publisher.drawKey(), publisher.drawKey()];
  const remove = publisher.keys.targets.slice(0, 2).map(({ id }) => id);
  await draftKeyChange(publisher, { role: 'targets', add: fresh, remove }, publisher.clock.wallMs());
  await publisher.signPending({ root: publisher.keys.root, targets: [] });
  assert.deepEqual((await publisher.publish()).changed, []);
  await publisher.signPending({ root: publisher.keys.root, targets: fresh });
  assert.deepEqual((await publisher.publish()).changed.slice(0, 2), ['root', 'targets']);
  await verifyAll(publisher);
});

test('a missing key, content that contradicts itself, and an old root are refused', async () => {
  const publisher = await TestPublisher.create();
  const key = publisher.addList(1);
  publisher.lists.push({ key, entries: [] });
  await assert.rejects(publisher.publish(), { code: 'conflict' });
  publisher.lists.pop();
  publisher.files.set('releases/x', { bytes: Buffer.alloc(1) });
  await assert.rejects(publisher.publish(), { code: 'conflict' });
  publisher.files.clear();
  publisher.keys.network = [];
  await assert.rejects(publisher.publish(), { code: 'key' });
  const old = await TestPublisher.create();
  old.passHours(24 * 366);
  await assert.rejects(old.publish(), { code: 'expired' });
});
