// A client that is current, and a mirror or somebody before it who begins to lie.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { Fetcher, type FetcherOptions } from '../fetch/fetcher.ts';
import type { SigningKey } from '../keys.ts';
import { TIMESTAMP_FILE } from '../layout.ts';
import { readPublished } from '../make/documents.ts';
import { draftFiles } from '../make/propose.ts';
import { parseDocument, sha256, signMetadata } from '../metadata.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';
import { TEST_NOW_MS, TestPublisher } from './publisher.ts';
import { dialLoopback, type Lie, startMiddle, startMirror, type TestMirror } from './test-mirror.ts';

type Meta = Record<string, { version: number; length?: number }>;

export const TIMESTAMP: string = TIMESTAMP_FILE;

/** A client that is current, and whose mirror begins to lie. */
export interface Scene {
  readonly publisher: TestPublisher;
  readonly fetcher: Fetcher;
  readonly key: Buffer;
  /** All files of the publication as the client has it. */
  readonly old: ReadonlyMap<string, Buffer>;
  lie: Lie;
  attestedMs: number | null;
  open(options?: Partial<FetcherOptions>): Promise<Fetcher>;
}

export type Where = 'mirror' | 'man in the middle';

export async function createScene(context: TestContext, where: Where): Promise<Scene> {
  const publisher = await TestPublisher.create();
  const key = publisher.addList(20);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics 1') });
  const files = new Map([['releases/bundle', { bytes: Buffer.from('release 1') }]]);
  await draftFiles(publisher, 'releases', { files, nowMs: publisher.clock.wallMs() });
  await publisher.signPending();
  await publisher.publish();
  const keep = <T extends AsyncDisposable>(mirror: T): T => {
    context.after(() => mirror[Symbol.asyncDispose]());
    return mirror;
  };
  const lying: Lie = (name, honest, response) => scene.lie(name, honest, response);
  let mirror: TestMirror;
  if (where === 'mirror') mirror = keep(await startMirror(publisher.storage, lying));
  else mirror = keep(await startMiddle(keep(await startMirror(publisher.storage)), lying));
  const store = createMemoryStorage(publisher.clock);
  const root = await publisher.rootBytes();
  const open = async (options: Partial<FetcherOptions> = {}) => {
    const mirrors = { urls: [mirror.url], dial: dialLoopback };
    const fetcher = await Fetcher.open(publisher, {
      root,
      store,
      mirrors,
      attestedMs: () => scene.attestedMs,
      ...options,
    });
    context.after(() => fetcher[Symbol.dispose]());
    return fetcher;
  };
  const fetcher = await open();
  const honest: Lie = (_name, bytes) => bytes;
  const scene: Scene = { publisher, fetcher, key, old: new Map(), lie: honest, attestedMs: TEST_NOW_MS, open };
  await fetcher.refresh();
  await fetcher.entryList(key);
  await fetcher.target('network/tactics');
  await fetcher.target('releases/bundle');
  const old = new Map<string, Buffer>();
  for (const { name } of await publisher.storage.list(''))
    old.set(name, (await publisher.storage.read(name)) ?? Buffer.alloc(0));
  return Object.assign(scene, { old });
}

export async function publishMore({ publisher, key }: Scene): Promise<void> {
  publisher.changeList(key);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics 2') });
  await publisher.publish();
}

/** Everything that the client had it still has, now and after a restart; and when the lies end it takes the next publication. */
export async function assertUnharmed(
  scene: Scene,
  options: { tactics?: string; hasReleases?: boolean } = {},
): Promise<void> {
  const { tactics = 'tactics 1', hasReleases = true } = options;
  for (const fetcher of [scene.fetcher, await scene.open()]) {
    assert.equal((await fetcher.keptEntryList(scene.key))?.entries.length, 20);
    assert.equal((await fetcher.kept('network/tactics'))?.bytes.toString(), tactics);
    if (hasReleases) assert.equal((await fetcher.kept('releases/bundle'))?.bytes.toString(), 'release 1');
  }
  scene.lie = (_name, bytes) => bytes;
  scene.publisher.files.set('network/tactics', { bytes: Buffer.from('tactics 3') });
  await scene.publisher.publish();
  assert.equal((await scene.fetcher.refresh()).isNew, true);
  assert.equal((await scene.fetcher.target('network/tactics')).bytes.toString(), 'tactics 3');
  assert.equal((await scene.fetcher.entryList(scene.key)).entries.length, 20);
}

/** The document with other contents, signed by these keys. */
export function forge(bytes: Buffer, change: object, keys: readonly SigningKey[]): Buffer {
  return signMetadata({ ...parseDocument(bytes).signed, ...change }, keys);
}

export async function readFile(storage: Storage, name: string): Promise<Buffer> {
  const bytes = await storage.read(name);
  assert.ok(bytes);
  return bytes;
}

/** A snapshot with another `meta`, and a timestamp that names it, so many versions above what is published. */
export async function forgeTop(
  { publisher }: Scene,
  change: (meta: Meta) => void,
  ahead = 1,
): Promise<Map<string, Buffer>> {
  const { storage, keys } = publisher;
  const timestamp = await readFile(storage, TIMESTAMP);
  const published = await readPublished(storage);
  assert.ok(published);
  const snapshot = published.snapshot.signed;
  const meta = structuredClone(snapshot.meta) as Meta;
  change(meta);
  const version = snapshot.version + ahead;
  const forged = forge(published.snapshot.bytes, { version, meta }, keys.snapshot);
  const named = { version, length: forged.length, hashes: { sha256: sha256(forged) } };
  const top = { version: published.timestamp.signed.version + ahead, meta: { 'snapshot.json': named } };
  return new Map([
    [TIMESTAMP, forge(timestamp, top, keys.timestamp)],
    [`metadata/${version}.snapshot.json`, forged],
  ]);
}
