import assert from 'node:assert/strict';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { claimSocketPath, findSocketPath } from './socket-path.ts';

const random = new SeededRandom(1);

test('a short folder holds its socket itself', async (context) => {
  const folder = await temporaryFolder(context);
  const claimed = await claimSocketPath(random, folder);
  assert.equal(claimed.path, join(folder, 'control.sock'));
  assert.equal(await findSocketPath(folder), claimed.path);
  await claimed.release();
  assert.deepEqual(await readdir(folder), []);
});

test('for a long one a private place is made, found, and removed again', async (context) => {
  const folder = join(await temporaryFolder(context), 'x'.repeat(60), 'y'.repeat(60));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const claimed = await claimSocketPath(random, folder);
  assert.ok(Buffer.byteLength(claimed.path) <= 103);
  assert.equal((await stat(dirname(claimed.path))).mode & 0o777, 0o700);
  assert.equal((await stat(join(folder, 'control-path'))).mode & 0o777, 0o600);
  assert.equal(await findSocketPath(folder), claimed.path);
  await claimed.release();
  await assert.rejects(stat(dirname(claimed.path)), { code: 'ENOENT' });
  assert.deepEqual(await readdir(folder), []);
});

test('what a killed relay has left behind is removed, and nothing else', async (context) => {
  const folder = await temporaryFolder(context);
  const left = await claimSocketPath(random, folder, { maxPathBytes: 1 });
  await writeFile(left.path, '');
  const next = await claimSocketPath(random, folder, { maxPathBytes: 1 });
  assert.notEqual(next.path, left.path);
  await assert.rejects(stat(dirname(left.path)), { code: 'ENOENT' });
  await next.release();
  const bystander = join(folder, 'bystander');
  await mkdir(bystander);
  await writeFile(join(folder, 'control-path'), join(bystander, 'control.sock'), { mode: 0o600 });
  await (await claimSocketPath(random, folder)).release();
  assert.deepEqual(await readdir(folder), ['bystander']);
});

test('on Windows it is a named pipe that only the folder tells of', async (context) => {
  const folder = await temporaryFolder(context);
  const claimed = await claimSocketPath(random, folder, { platform: 'win32' });
  assert.match(claimed.path, /^\\\\\.\\pipe\\rozan-[0-9a-f]{32}$/);
  assert.equal(await findSocketPath(folder), claimed.path);
  await claimed.release();
});
