import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '../testing/temporary-folder.ts';
import { createPrivateFolder, readPrivateFile, writeFileAtomically } from './private-files.ts';

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

test('folders and files are for their owner only, whatever the mask', async (context) => {
  const parent = await temporaryFolder(context);
  const previous = process.umask(0);
  context.after(() => process.umask(previous));
  const folder = join(parent, 'a', 'b');
  await createPrivateFolder(folder);
  await writeFileAtomically(join(folder, 'file'), 'one');
  assert.equal(await modeOf(folder), 0o700);
  assert.equal(await modeOf(join(folder, 'file')), 0o600);
});

test('a file is replaced as a whole, and nothing else is left', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'file');
  await writeFile(`${path}.tmp`, 'left by a killed writer, and longer');
  await writeFileAtomically(path, 'one');
  await writeFileAtomically(path, 'two');
  assert.equal(await readFile(path, 'utf8'), 'two');
  assert.deepEqual(await readdir(folder), ['file']);
});

test('a file that others can read, or that is too large, is refused', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'file');
  assert.equal(await readPrivateFile(path, 10), null);
  await writeFileAtomically(path, 'secret');
  assert.equal((await readPrivateFile(path, 6))?.toString(), 'secret');
  await assert.rejects(readPrivateFile(path, 5), { code: 'folder-broken' });
  await chmod(path, 0o644);
  await assert.rejects(readPrivateFile(path, 10), { code: 'folder-not-private', remedy: `chmod 600 ${path}` });
});

test('a folder that exists keeps its mode', async (context) => {
  const folder = join(await temporaryFolder(context), 'open');
  await mkdir(folder, { mode: 0o755 });
  await createPrivateFolder(folder);
  assert.notEqual(await modeOf(folder), 0o700);
});
