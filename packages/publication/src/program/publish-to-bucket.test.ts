import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createEnv } from '@rozan/tunnel';
import S3rver from 's3rver';
import { Fetcher } from '../fetch/fetcher.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import { dialLoopback } from '../testing/test-mirror.ts';

const run = promisify(execFile);
const rozan = join(resolve(import.meta.dirname, '../../../..'), 'bin/rozan.mjs');

test('rozan publish to a bucket, from which clients fetch as from any mirror', { timeout: 60_000 }, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-bucket-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const directory = join(folder, 's3');
  const buckets = { configureBuckets: [{ name: 'papers', configs: [] }] };
  const server = new S3rver({ port: 0, address: '127.0.0.1', silent: true, directory, ...buckets });
  const { port } = await server.run();
  context.after(() => server.close());
  const env = { ...process.env, AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' };
  const call = (...args: string[]) => run(process.execPath, [rozan, ...args], { env });
  const state = join(folder, 'state');
  await call('keys', 'init', '--state', state, '--offline', join(folder, 'offline'));
  const to = `s3://papers/net?endpoint=http://127.0.0.1:${port}`;
  const { stdout } = await call('publish', '--state', state, '--to', to, '--json');
  assert.ok(JSON.parse(stdout).copies[0].files > 60);
  assert.equal(JSON.parse((await call('publish', '--state', state, '--to', to, '--json')).stdout).copies[0].files, 0);
  const realEnv = createEnv({ log: () => {} });
  const root = await readFile(join(state, 'public/metadata/1.root.json'));
  const mirrors = { urls: [`http://127.0.0.1:${port}/papers/net`], dial: dialLoopback };
  using fetcher = await Fetcher.open(realEnv, { root, store: createMemoryStorage(realEnv.clock), mirrors });
  assert.equal((await fetcher.refresh()).version, 1);
  const nowhere = to.replace('papers', 'nothing');
  const refused = await call('publish', '--state', state, '--to', nowhere).catch(
    (error: { code: number; stderr: string }) => error,
  );
  assert.ok('code' in refused && refused.code === 1);
  assert.match(refused.stderr, /bucket does not do as it is asked[\s\S]*AWS_ACCESS_KEY_ID/);
});
