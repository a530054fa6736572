import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findHttpBackend, startGitServer } from '../testing/git-server.ts';
import { startProgram } from '../testing/program.ts';
import { needs, runTool } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const FILES = 40;
const LARGE_BYTES = 4_000_000;
const IDENTITY = ['-c', 'user.name=Test', '-c', 'user.email=test@example.org', '-c', 'commit.gpgsign=false'];

async function git(cwd: string, ...args: string[]): Promise<string> {
  const env = { GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: join(cwd, 'no-config'), GIT_TERMINAL_PROMPT: '0' };
  const { code, out, err } = await runTool('git', [...IDENTITY, ...args], { cwd, env });
  assert.equal(code, 0, `git ${args.join(' ')}: ${err}`);
  return out.toString().trim();
}

/** A repository with a few commits, many small files and a large one; as served, it is bare. */
async function makeRepository(folder: string): Promise<string> {
  const work = join(folder, 'work');
  await mkdir(work);
  await git(work, 'init', '-q', '-b', 'main');
  for (let number = 1; number <= FILES; number++) {
    await writeFile(join(work, `file-${number}.bin`), randomBytes(1000 * number));
    if (number % 10 !== 0) continue;
    await git(work, 'add', '.');
    await git(work, 'commit', '-q', '-m', `change ${number}`);
  }
  await writeFile(join(work, 'large.bin'), randomBytes(LARGE_BYTES));
  await git(work, 'add', '.');
  await git(work, 'commit', '-q', '-m', 'a large file');
  await git(folder, 'clone', '-q', '--bare', work, join(folder, 'served.git'));
  return git(work, 'rev-parse', 'HEAD');
}

test('git clones over HTTP through both proxies', needs('git'), async (context) => {
  const backend = await findHttpBackend();
  if (backend === null) {
    context.skip('this git has no git-http-backend');
    return;
  }
  await using scratch = await createScratchFolder();
  const folder = scratch.path;
  const head = await makeRepository(folder);
  await using origin = await startGitServer(backend, folder);
  const rule = `127.0.0.1/32:${origin.port}`;
  await using demo = await startProgram([
    'demo',
    '--socks',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    '--egress-allow',
    rule,
  ]);
  const url = `http://127.0.0.1:${origin.port}/served.git`;
  for (const [name, proxy] of [
    ['http', `http://${demo.text('http')}`],
    ['socks', `socks5h://${demo.text('socks')}`],
  ] as const) {
    const before = origin.accepted;
    await git(folder, '-c', `http.proxy=${proxy}`, 'clone', '-q', url, name);
    assert.ok(origin.accepted > before);
    assert.equal(await git(join(folder, name), 'rev-parse', 'HEAD'), head);
    await git(join(folder, name), 'fsck', '--full', '--strict');
    assert.equal(await git(join(folder, name), 'status', '--porcelain'), '');
  }
  assert.deepEqual(
    demo.events.filter(({ event }) => event === 'stream.failed'),
    [],
  );
});

test('git is refused where the guard does not let it', needs('git'), async () => {
  await using scratch = await createScratchFolder();
  await using demo = await startProgram(['demo', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0']);
  const args = [
    '-c',
    `http.proxy=http://${demo.text('http')}`,
    'clone',
    '-q',
    'http://127.0.0.1:1/served.git',
    'clone',
  ];
  const { code, err } = await runTool('git', args, { cwd: scratch.path, env: { GIT_TERMINAL_PROMPT: '0' } });
  assert.notEqual(code, 0);
  assert.match(err, /403/);
});
