// Runs docs/guides/keys.md, as it stands, and has a client look at the mirror after each part.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { createEnv } from '@rozan/tunnel';
import { Fetcher } from '../fetch/fetcher.ts';
import { createFolderStorage } from '../storage/folder-storage.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import { dialLoopback, startMirror } from '../testing/test-mirror.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../../../..');
const GUIDE_MS = 600_000;

interface Part {
  readonly title: string;
  readonly commands: string[];
}

/** The commands under each heading. */
function partsOf(guide: string): Part[] {
  return guide
    .split(/^## /m)
    .slice(1)
    .map((text) => ({
      title: text.slice(0, text.indexOf('\n')),
      commands: [...text.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block),
    }));
}

test('the guide to keys: each part is run as it stands, and a client follows', {
  timeout: GUIDE_MS,
}, async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-guide-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const npx = `#!/bin/sh\nshift 2\nexec "${process.execPath}" "${join(root, 'bin/rozan.mjs')}" "$@"\n`;
  await writeFile(join(folder, 'npx'), npx, { mode: 0o755 });
  // Seventy programs are started: what they load is compiled once.
  const cache = { NODE_COMPILE_CACHE: join(folder, 'compile-cache') };
  const env = { ...process.env, ...cache, PATH: `${folder}:${process.env.PATH}` };
  const shell = (block: string) => run('sh', ['-e', '-c', block], { cwd: folder, env });
  const show = async () => JSON.parse((await shell('npx --no rozan keys show --state state --json')).stdout);
  const guide = partsOf(await readFile(join(root, 'docs/guides/keys.md'), 'utf8'));
  assert.deepEqual(
    guide.map(({ title }) => title),
    ['Ceremony', 'Publishing', 'A partner', 'Rotation', 'Loss', 'Compromise'],
  );
  const storage = createFolderStorage(join(folder, 'mirror'));
  await using mirror = await startMirror(storage);
  let fetcher: Fetcher | null = null;
  const idsBefore = new Map<string, string[]>();
  for (const { title, commands } of guide) {
    for (const block of commands) await shell(block);
    const { roles, waiting } = await show();
    assert.deepEqual(waiting, [], title);
    if (fetcher === null) {
      const mirrors = { urls: [mirror.url], dial: dialLoopback };
      const realEnv = createEnv({ log: () => {} });
      const first = await readFile(join(folder, 'mirror/metadata/1.root.json'));
      fetcher = await Fetcher.open(realEnv, { root: first, store: createMemoryStorage(realEnv.clock), mirrors });
    }
    const { validity } = await fetcher.refresh();
    assert.equal(validity, 'valid', title);
    const idsOf = (role: string): string[] =>
      roles.find((one: { role: string }) => one.role === role).keys.map(({ id }: { id: string }) => id);
    for (const role of ['root', 'targets', 'releases', 'network', 'snapshot', 'timestamp']) {
      const [ids, before] = [idsOf(role), idsBefore.get(role)];
      const isReplaced =
        (title === 'Rotation' && role === 'network') ||
        (title === 'Loss' && ['root', 'targets', 'releases'].includes(role)) ||
        (title === 'Compromise' && ['network', 'snapshot', 'timestamp', 'releases'].includes(role));
      if (before !== undefined) assert.equal(ids.join() !== before.join(), isReplaced, `${title}: ${role}`);
      assert.equal(ids.length, ['root', 'targets', 'releases'].includes(role) ? 3 : 1, `${title}: ${role}`);
      idsBefore.set(role, ids);
    }
  }
  assert.equal((await fetcher?.target('network/tactics'))?.bytes.toString(), 'tactics\n');
  assert.equal((await fetcher?.target('releases/bundle-1'))?.bytes.toString(), 'a program\n');
  fetcher?.[Symbol.dispose]();
});

test('mistakes on the command line are told with what to do about them', async (context) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-keys-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  const rozan = async (...args: string[]) => {
    const outcome = await run(process.execPath, [join(root, 'bin/rozan.mjs'), ...args], { cwd: folder }).catch(
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    const code = 'code' in outcome ? outcome.code : 0;
    return { code, stdout: outcome.stdout, stderr: outcome.stderr };
  };
  const told = async (args: string[], code: number, pattern: RegExp) => {
    const outcome = await rozan(...args);
    assert.equal(outcome.code, code, outcome.stderr);
    assert.match(outcome.stderr, pattern);
  };
  await told(['keys', 'init', '--state', 's'], 2, /whose keys[\s\S]*--offline/);
  await told(['keys', 'show', '--state', 's'], 1, /no publication[\s\S]*keys init/);
  await told(['publish', '--state', 's'], 1, /signatures are missing[\s\S]*rozan sign/);
  const begun = await rozan('keys', 'init', '--state', 's', '--offline', 'off', '--json');
  assert.deepEqual(JSON.parse(begun.stdout).drafts.toSorted(), ['releases', 'root', 'targets']);
  await told(['keys', 'init', '--state', 's', '--offline', 'off2'], 1, /already/);
  const published = await rozan('publish', '--state', 's', '--to', 'm', '--json');
  const report = JSON.parse(published.stdout);
  assert.deepEqual([report.version, report.copies.length], [1, 1]);
  await told(['publish', '--state', 's', '--to', 's3://'], 1, /not the URL of a bucket/);
  await told(['publish', '--state', 's', '--accept', 'm/metadata/1.root.json'], 1, /nothing waits/);
  await told(['sign', 'm/metadata/1.root.json', '--key', 'off/root-3.key'], 2, /nobody to ask[\s\S]*--yes/);
  await told(['sign', 'nothing.json', '--key', 'off/root-3.key', '--yes'], 2, /cannot be read/);
  const signed = await rozan(
    'sign',
    'm/metadata/1.root.json',
    '--key',
    'off/root-3.key',
    '--yes',
    '--out',
    'signed.json',
  );
  assert.match(signed.stdout, /about to sign[\s\S]*root of the publication[\s\S]*2 of 3 keys[\s\S]*Signed by/);
  assert.equal(JSON.parse(await readFile(join(folder, 'signed.json'), 'utf8')).signatures.length, 3);
});
