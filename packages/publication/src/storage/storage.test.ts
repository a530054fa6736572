import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import S3rver from 's3rver';
import { copyPublication } from '../make/copy.ts';
import { readPublished } from '../make/documents.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { createFolderStorage } from './folder-storage.ts';
import { createMemoryStorage } from './memory-storage.ts';
import { createS3Storage, parseS3Url } from './s3-storage.ts';
import type { Storage } from './storage.ts';

async function temporaryFolder(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-publication-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function openBucket(context: TestContext): Promise<Storage> {
  const folder = await temporaryFolder(context);
  const options = { port: 0, address: '127.0.0.1', silent: true, directory: folder };
  const server = new S3rver({ ...options, configureBuckets: [{ name: 'papers', configs: [] }] });
  const { port } = await server.run();
  context.after(() => server.close());
  const place = parseS3Url(`s3://papers/some/where?endpoint=http://127.0.0.1:${port}`);
  const storage = createS3Storage({ ...place, credentials: { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' } });
  context.after(() => storage[Symbol.dispose]());
  return storage;
}

const kinds: Readonly<Record<string, (context: TestContext) => Promise<Storage>>> = {
  memory: async () => createMemoryStorage(new ManualClock()),
  folder: async (context) => createFolderStorage(await temporaryFolder(context)),
  s3: openBucket,
};

for (const [kind, open] of Object.entries(kinds)) {
  test(`storage ${kind}: reads, writes, lists and removes`, async (context) => {
    const storage = await open(context);
    assert.equal(await storage.read('metadata/timestamp.json'), null);
    assert.deepEqual(await storage.list(''), []);
    await storage.write('metadata/timestamp.json', Buffer.from('one'));
    await storage.write('metadata/timestamp.json', Buffer.from('two'));
    await storage.write('targets/network/0a.b', Buffer.alloc(100_000, 7));
    assert.equal((await storage.read('metadata/timestamp.json'))?.toString(), 'two');
    assert.deepEqual(await storage.read('targets/network/0a.b'), Buffer.alloc(100_000, 7));
    const names = async (prefix: string) => (await storage.list(prefix)).map(({ name }) => name).toSorted();
    assert.deepEqual(await names(''), ['metadata/timestamp.json', 'targets/network/0a.b']);
    assert.deepEqual(await names('targets/'), ['targets/network/0a.b']);
    await storage.remove('targets/network/0a.b');
    await storage.remove('targets/network/0a.b');
    assert.deepEqual(await names(''), ['metadata/timestamp.json']);
  });

  test(`storage ${kind}: a publication made in memory is copied there, and only what is new is copied again`, async (context) => {
    const publisher = await TestPublisher.create();
    const key = publisher.addList(20);
    await publisher.publish();
    const storage = await open(context);
    await copyPublication(publisher.storage, storage);
    assert.deepEqual((await copyPublication(publisher.storage, storage)).files, 0);
    publisher.changeList(key);
    await publisher.publish();
    // The list, what changes it, its bin, the snapshot, the timestamp.
    assert.equal((await copyPublication(publisher.storage, storage)).files, 5);
    const copied = await readPublished(storage);
    assert.equal(copied?.timestamp.signed.version, 3);
  });
}

test('a folder of secrets is for its owner alone, and names do not lead out of a folder', async (context) => {
  const folder = await temporaryFolder(context);
  const storage = createFolderStorage(join(folder, 'secret'), { isPrivate: true });
  await storage.write('1.root.json', Buffer.from('x'));
  assert.equal((await stat(join(folder, 'secret/1.root.json'))).mode & 0o777, 0o600);
  assert.equal((await stat(join(folder, 'secret'))).mode & 0o777, 0o700);
  for (const name of ['../x', '/x', 'a/../../x', '.hidden', 'a//b', '']) {
    await assert.rejects(storage.read(name), { code: 'storage' });
    await assert.rejects(storage.write(name, Buffer.alloc(1)), { code: 'storage' });
  }
});

test('URLs of buckets', () => {
  assert.deepEqual(parseS3Url('s3://one'), { bucket: 'one', prefix: '', endpoint: undefined, region: undefined });
  assert.equal(parseS3Url('s3://one/a/b/').prefix, 'a/b/');
  for (const text of ['', 'one', 's3://', 'https://one', 's3://key:secret@one']) {
    assert.throws(() => parseS3Url(text), { code: 'malformed' });
  }
});
