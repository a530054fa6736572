import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { createChannel, createRelayFolder, openRelayFolder, type RelayFolderOptions } from './relay-folder.ts';

const OPTIONS: RelayFolderOptions = {
  listen: [{ transport: 'opaque', address: { host: '127.0.0.1', port: 4_433 }, settings: {} }],
};

async function newFolder(context: TestContext): Promise<string> {
  const folder = join(await temporaryFolder(context), 'relay');
  await createRelayFolder(new SeededRandom(1), folder, OPTIONS);
  return folder;
}

test('a new relay is complete, and the same when it is opened', async (context) => {
  const folder = join(await temporaryFolder(context), 'deep', 'relay');
  const config = await createRelayFolder(new SeededRandom(1), folder, OPTIONS);
  assert.deepEqual(
    config.channels.map(({ id }) => id),
    ['default'],
  );
  assert.notDeepEqual(config.staticKey, config.signingKey);
  const opened = await openRelayFolder(folder);
  assert.deepEqual(opened.config, config);
  opened.close();
  opened.close();
});

test('all that is in the folder is for its owner only', async (context) => {
  const previous = process.umask(0);
  context.after(() => process.umask(previous));
  const folder = await newFolder(context);
  (await openRelayFolder(folder)).close();
  assert.equal((await stat(folder)).mode & 0o777, 0o700);
  for (const name of await readdir(folder)) {
    assert.equal((await stat(join(folder, name))).mode & 0o777, 0o600, name);
  }
});

test('a relay is never made over another', async (context) => {
  const folder = await newFolder(context);
  const first = await openRelayFolder(folder);
  const before = first.config;
  await assert.rejects(createRelayFolder(new SeededRandom(2), folder, OPTIONS), { code: 'folder-locked' });
  first.close();
  await assert.rejects(createRelayFolder(new SeededRandom(2), folder, OPTIONS), { code: 'folder-exists' });
  const again = await openRelayFolder(folder);
  assert.deepEqual(again.config, before);
  again.close();
});

test('of many that make a relay in one folder at once, one succeeds', async (context) => {
  const folder = join(await temporaryFolder(context), 'relay');
  const attempts = Array.from({ length: 8 }, (_, seed) => createRelayFolder(new SeededRandom(seed), folder, OPTIONS));
  const results = await Promise.allSettled(attempts);
  const made = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  assert.equal(made.length, 1);
  const opened = await openRelayFolder(folder);
  assert.deepEqual(opened.config, made[0]);
  opened.close();
});

test('what is no relay is said so, and not touched', async (context) => {
  const folder = await temporaryFolder(context);
  for (const path of [folder, join(folder, 'nowhere')]) {
    await assert.rejects(openRelayFolder(path), (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'folder-missing');
      assert.match(error.remedy ?? '', /relay init/);
      return true;
    });
  }
  assert.deepEqual(await readdir(folder), []);
});

test('a folder or a file that others can read is refused', async (context) => {
  const folder = await newFolder(context);
  await chmod(folder, 0o750);
  await assert.rejects(openRelayFolder(folder), { code: 'folder-not-private', remedy: `chmod 700 ${folder}` });
  await chmod(folder, 0o700);
  await chmod(join(folder, 'relay.json'), 0o604);
  await assert.rejects(openRelayFolder(folder), { code: 'folder-not-private' });
  const open = join(folder, 'open');
  await mkdir(open, { mode: 0o755 });
  await assert.rejects(createRelayFolder(new SeededRandom(1), open, OPTIONS), { code: 'folder-not-private' });
});

test('a change is kept', async (context) => {
  const folder = await newFolder(context);
  const opened = await openRelayFolder(folder);
  const channels = [...opened.config.channels, createChannel(new SeededRandom(9), 'press')];
  await opened.update({ ...opened.config, channels });
  assert.deepEqual(opened.config.channels, channels);
  await assert.rejects(opened.update({ ...opened.config, channels: [] }), { code: 'folder-broken' });
  opened.close();
  const again = await openRelayFolder(folder);
  assert.deepEqual(again.config.channels, channels);
  again.close();
});

test('a broken config is said so, and the lock is given back', async (context) => {
  const folder = await newFolder(context);
  await writeFile(join(folder, 'relay.json'), '{}', { mode: 0o600 });
  await assert.rejects(openRelayFolder(folder), { code: 'folder-broken' });
  await assert.rejects(openRelayFolder(folder), { code: 'folder-broken' });
});

test('two relays of one process cannot share a folder', async (context) => {
  const folder = await newFolder(context);
  const first = await openRelayFolder(folder);
  await assert.rejects(openRelayFolder(folder), { code: 'folder-locked' });
  await assert.rejects(openRelayFolder(folder), { code: 'folder-locked' });
  first.close();
  (await openRelayFolder(folder)).close();
});

test('a lock holds between processes, and kill -9 leaves none behind', async (context) => {
  const folder = await newFolder(context);
  const holder = spawn(process.execPath, [fileURLToPath(new URL('testing/lock-holder.ts', import.meta.url)), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  context.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  await assert.rejects(openRelayFolder(folder), { code: 'folder-locked' });
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  (await openRelayFolder(folder)).close();
});
