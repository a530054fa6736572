import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { createEnv } from '@rozan/tunnel';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { ClientFolder } from './data-folder.ts';

const env = createEnv({ log: () => {} });
const linksIn = async (folder: ClientFolder) => (await folder.addedFiles()).flatMap(({ links }) => links).toSorted();

async function takeAll(folder: ClientFolder): Promise<string[]> {
  const taken: string[] = [];
  for (let files = await folder.addedFiles(); files.length > 0; files = await folder.addedFiles())
    for (const file of files) {
      taken.push(...file.links);
      await folder.forgetAdded(file);
    }
  return taken.toSorted();
}

test('links that are given while others are being taken are not lost', async (context) => {
  const folder = await ClientFolder.open(await temporaryFolder(context));
  assert.deepEqual(await folder.addedFiles(), []);
  await folder.addLinks(env, ['rozan://a', 'rozan://b']);
  const before = await folder.addedFiles();
  await folder.addLinks(env, ['rozan://c']);
  assert.deepEqual(await linksIn(folder), ['rozan://a', 'rozan://b', 'rozan://c'], 'until they are known');
  for (const file of before) await folder.forgetAdded(file);
  assert.deepEqual(await takeAll(folder), ['rozan://c']);
  assert.deepEqual(await folder.addedFiles(), []);
});

test('links that many give at the same moment are all there', async (context) => {
  const path = await temporaryFolder(context);
  const given = Array.from({ length: 40 }, (_, index) => `rozan://${index}`);
  await Promise.all(given.map(async (link) => (await ClientFolder.open(path)).addLinks(env, [link])));
  assert.deepEqual(await takeAll(await ClientFolder.open(path)), given.toSorted());
});

test('whoever is killed while giving links leaves all of a call or nothing, and what others gave stays', async (context) => {
  const path = await temporaryFolder(context);
  const folder = await ClientFolder.open(path);
  await folder.addLinks(env, ['rozan://kept']);
  const program = `
    import { ClientFolder } from ${JSON.stringify(new URL('data-folder.ts', import.meta.url).href)};
    import { createEnv } from '@rozan/tunnel';
    const env = createEnv({ log: () => {} });
    const folder = await ClientFolder.open(${JSON.stringify(path)});
    for (let call = 0; ; call += 1) {
      await folder.addLinks(env, Array.from({ length: 50 }, (_, index) => 'rozan://' + call + '/' + index));
      process.stdout.write('.');
    }`;
  for (let kill = 1; kill <= 3; kill += 1) {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    for (let count = 0; count < kill; count += 1) await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child, 'exit');
    const links = await takeAll(folder);
    assert.equal(links.filter((link) => link !== 'rozan://kept').length % 50, 0);
    assert.ok(links.length >= 50);
    assert.equal(links.includes('rozan://kept'), kill === 1);
  }
});
