// `kill -9` of a control plane while it publishes: what clients find holds, and the next start goes on.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type FSWatcher, watch } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFolderStorage, createMemoryStorage, Fetcher, parseBrand } from '@rozan/publication';
import { dialLoopback, startMirror } from '@rozan/publication/testing';
import { createEnv } from '@rozan/tunnel';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { type ControlProgram, runRozan, startControl } from '../testing/control-program.ts';

const KILLS = 3;
const BUCKETS = 3;

/** Resolves when so many things have happened to the files of a folder from now on, or its timestamp was written. */
function changesOf(watcher: FSWatcher, count: number): Promise<void> {
  return new Promise((resolve) => {
    let seen = 0;
    const onChange = (_type: string, name: string | Buffer | null) => {
      seen += 1;
      if (seen < count && !String(name).endsWith('timestamp.json')) return;
      watcher.off('change', onChange);
      resolve();
    };
    watcher.on('change', onChange);
  });
}

/** Looks again after each change until it is so. A change that comes while it looks counts. */
async function until(watcher: FSWatcher, isSo: () => Promise<boolean>): Promise<void> {
  for (;;) {
    const changed = once(watcher, 'change');
    changed.catch(() => {});
    if (await isSo()) return;
    await changed;
  }
}

async function brandOf(control: ControlProgram, channel: string) {
  const { status, json } = await control.call('GET', `/channels/${channel}/buckets/0/brand`);
  assert.equal(status, 200, JSON.stringify(json));
  return parseBrand(Buffer.from((json as { brand: string }).brand));
}

/** Waits until a client finds the list of a bucket in a mirror. */
async function found(client: Fetcher, bucket: Buffer, watcher: FSWatcher): Promise<void> {
  await until(watcher, async () => {
    await client.refresh();
    return (await client.entryList(bucket).catch(() => null)) !== null;
  });
}

test('kill -9 of a control plane that publishes leaves a publication that holds', async (context) => {
  const folder = await temporaryFolder(context);
  const data = join(folder, 'control');
  const [published, copy] = [join(data, 'publication', 'public'), join(folder, 'mirror')];
  await mkdir(data, { mode: 0o700 });
  const init = ['keys', 'init', '--state', join(data, 'publication'), '--offline', join(folder, 'offline')];
  assert.equal((await runRozan(init)).code, 0);
  for (const place of [published, copy]) await mkdir(place, { recursive: true });
  const start = () => startControl(data, { args: ['--publish-to', copy] });
  const seed = Number(process.hrtime.bigint() % 1_000_000n);
  context.diagnostic(`seed ${seed}`);
  const random = new SeededRandom(seed);

  const env = createEnv({ log: () => {} });
  using watcher = watchOf(copy);
  await using mirror = await startMirror(createFolderStorage(copy));
  await using own = await startMirror(createFolderStorage(published));
  const clients: Fetcher[] = [];
  const buckets: Buffer[] = [];
  for (let kill = 0; kill <= KILLS; kill++) {
    await using control = await start();
    if (kill === 0) {
      const isPublished = async () => (await createFolderStorage(copy).read('metadata/timestamp.json')) !== null;
      await until(watcher.it, isPublished);
      const root = await createFolderStorage(copy).read('metadata/1.root.json');
      assert.ok(root);
      for (const { url } of [mirror, own]) {
        const mirrors = { urls: [url], dial: dialLoopback };
        clients.push(await Fetcher.open(env, { root, store: createMemoryStorage(env.clock), mirrors }));
      }
    }
    const [first] = clients;
    assert.ok(first);
    // What was acknowledged before the kill is published after it.
    for (const bucket of buckets) await found(first, bucket, watcher.it);
    if (kill === KILLS) break;
    using writes = watchOf(kill % 2 === 0 ? published : copy);
    const changes = changesOf(writes.it, 1 + random.below(20));
    const channel = `channel-${kill}`;
    const reply = await control.call('POST', '/channels', { channel, buckets: BUCKETS });
    assert.equal(reply.status, 200);
    buckets.push((await brandOf(control, channel)).bucket);
    await changes;
    await control.kill('SIGKILL');
    for (const client of clients) {
      assert.equal((await client.refresh()).validity, 'valid');
      for (const bucket of buckets.slice(0, -1)) await client.entryList(bucket);
    }
  }
  for (const client of clients) client[Symbol.dispose]();
});

function watchOf(folder: string): Disposable & { readonly it: FSWatcher } {
  const it = watch(folder, { recursive: true });
  return { it, [Symbol.dispose]: () => it.close() };
}
