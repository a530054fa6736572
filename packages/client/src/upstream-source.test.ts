import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { createEnv, type LogEvent } from '@rozan/tunnel';
import { ProgramError } from '@rozan/tunnel/program';
import { readUpstreamProxy } from './upstream-source.ts';

const events: LogEvent[] = [];
const env = createEnv({ log: (event) => events.push(event) });
const isUsage = (error: unknown) =>
  error instanceof ProgramError && error.exitCode === 2 && !error.message.includes('me:pass');

it('an upstream proxy is a URL, a line of a file, or what the environment says', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  const file = join(folder, 'proxy');
  await writeFile(file, 'socks5://me:pass@proxy.example:1080\n# more\n');
  const fromFile = await readUpstreamProxy(env, file);
  await rm(folder, { recursive: true });
  assert.deepEqual(fromFile.credentials, { user: 'me', password: 'pass' });
  assert.equal((await readUpstreamProxy(env, 'http://192.0.2.1:3128')).port, 3128);
  assert.equal((await readUpstreamProxy(env, 'env', { https_proxy: '192.0.2.1:8080' })).kind, 'http');
  const both = { HTTPS_PROXY: 'http://192.0.2.1:1', ALL_PROXY: 'socks5://192.0.2.1:2' };
  assert.equal((await readUpstreamProxy(env, 'env', both)).port, 2);
  assert.deepEqual(events, []);
});

it('a password on the command line brings a warning that does not hold it', async () => {
  await readUpstreamProxy(env, 'http://me:pass@192.0.2.1');
  assert.equal(events.at(-1)?.event, 'upstream.exposed');
  assert.ok(!JSON.stringify(events).includes('me:pass'));
});

it('what is none ends the program with a remedy, and without a password', async () => {
  await assert.rejects(readUpstreamProxy(env, 'env', {}), isUsage);
  await assert.rejects(readUpstreamProxy(env, 'ftp://me:pass@192.0.2.1'), isUsage);
  await assert.rejects(readUpstreamProxy(env, 'no-such-file'), isUsage);
});
