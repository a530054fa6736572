// `kill -9` at random moments of real programs: what is published holds, and the next run goes on.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { createEnv } from '@rozan/tunnel';
import { SeededRandom } from '@rozan/tunnel/testing';
import { Fetcher } from '../fetch/fetcher.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import { dialLoopback, startMirror } from '../testing/test-mirror.ts';

const run = promisify(execFile);
const rozan = join(resolve(import.meta.dirname, '../../../..'), 'bin/rozan.mjs');
const KILLS = 8;

test('rozan publish, killed at random moments', { timeout: 120_000 }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-kill-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const state = join(folder, 'state');
  const copy = join(folder, 'mirror');
  const publishing = [rozan, 'publish', '--state', state, '--to', copy];
  await run(process.execPath, [rozan, 'keys', 'init', '--state', state, '--offline', join(folder, 'offline')]);
  const began = performance.now();
  await run(process.execPath, publishing);
  const usualMs = performance.now() - began;
  await mkdir(join(state, 'files/network'), { recursive: true });
  const env = createEnv({ log: () => {} });
  const root = await createFolderStorage(copy).read('metadata/1.root.json');
  assert.ok(root);
  const clients: Fetcher[] = [];
  for (const place of [join(state, 'public'), copy]) {
    const mirror = await startMirror(createFolderStorage(place));
    context.after(() => mirror[Symbol.asyncDispose]());
    const mirrors = { urls: [mirror.url], dial: dialLoopback };
    clients.push(await Fetcher.open(env, { root, store: createMemoryStorage(env.clock), mirrors }));
  }
  const random = new SeededRandom(11);
  let published = '';
  for (let kill = 0; kill < KILLS; kill++) {
    const tactics = `tactics ${kill}`;
    await writeFile(join(state, 'files/network/tactics'), tactics);
    const child = spawn(process.execPath, publishing, { stdio: 'ignore' });
    const ended = once(child, 'exit');
    // The moment is what the test draws; nothing is waited for.
    await pause(usualMs * (0.4 + 0.6 * random.fraction()));
    child.kill('SIGKILL');
    await ended;
    for (const client of clients) {
      assert.equal((await client.refresh()).validity, 'valid');
      const found = await client.target('network/tactics').catch(() => null);
      const text = found?.bytes.toString() ?? '';
      assert.ok([tactics, published].includes(text), text);
    }
    await run(process.execPath, publishing);
    published = tactics;
    for (const client of clients) {
      await client.refresh();
      assert.equal((await client.target('network/tactics')).bytes.toString(), tactics);
    }
  }
  for (const client of clients) client[Symbol.dispose]();
});
