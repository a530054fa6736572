import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GSETTINGS } from '../testing/fake-gnome.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { initRelay } from '../testing/relay-network.ts';
import { createScratchFolder } from '../world.ts';

const KEYS = [
  '.http host',
  '.http port',
  '.https host',
  '.https port',
  '.socks host',
  '.socks port',
  ' ignore-hosts',
  ' mode',
];

/** A session of GNOME with some settings, in a folder. */
async function fakeSession(folder: string): Promise<{ env: Record<string, string>; settings: () => Promise<string> }> {
  const [bin, kept] = [join(folder, 'bin'), join(folder, 'settings')];
  await mkdir(bin);
  await mkdir(kept);
  await writeFile(join(bin, 'gsettings'), `#!/bin/sh\n${GSETTINGS}\n`);
  await chmod(join(bin, 'gsettings'), 0o755);
  for (const key of KEYS) await writeFile(join(kept, `org.gnome.system.proxy${key}`), `'before${key}'\n`);
  const env = { XDG_CURRENT_DESKTOP: 'GNOME', SETTINGS: kept, PATH: `${bin}:${process.env.PATH}` };
  const settings = async () => {
    const names = (await readdir(kept)).filter((name) => !name.endsWith('.new')).sort();
    return (await Promise.all(names.map((name) => readFile(join(kept, name), 'utf8')))).join('');
  };
  return { env, settings };
}

const onUnix = { skip: process.platform === 'win32' ? 'a shell script stands for gsettings' : false };

test("rozan proxy: on, and off with the person's own settings again", onUnix, async () => {
  await using scratch = await createScratchFolder();
  const { env, settings } = await fakeSession(scratch.path);
  const before = await settings();
  const data = join(scratch.path, 'client');
  const on = await runRozan(['proxy', 'on', '--data', data, '--http', '127.0.0.1:8181'], { env });
  assert.equal(on.code, 0, on.err);
  assert.match(await settings(), /^'manual'$/m);
  assert.match(await settings(), /^8181$/m);
  assert.equal((await runRozan(['proxy', 'off', '--data', data], { env })).code, 0);
  assert.equal(await settings(), before);
  const elsewhere = await runRozan(['proxy', 'on', '--data', data], { env: { ...env, XDG_CURRENT_DESKTOP: '' } });
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.err, /cannot be set\nSet it by hand/);
});

test("a client that was killed: the system's proxy is right at the next start", onUnix, async () => {
  await using scratch = await createScratchFolder();
  const { env, settings } = await fakeSession(scratch.path);
  const before = await settings();
  const data = join(scratch.path, 'client');
  await mkdir(data, { mode: 0o700 });
  await writeFile(join(data, 'settings.json'), JSON.stringify({ systemProxy: true, connectAtStart: true }), {
    mode: 0o600,
  });
  const args = ['client', '--data', data, '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--ui', '127.0.0.1:0'];
  const link = await initRelay(join(scratch.path, 'relay'));
  const client = await startProgram([...args, '--entry', '-'], { env, input: link });
  const http = client.text('http').split(':')[1];
  while (!(await settings()).includes("'manual'")) await new Promise((resolve) => setImmediate(resolve));
  assert.match(await settings(), new RegExp(`^${http}$`, 'm'));
  await client.stop('SIGKILL');
  assert.notEqual(await settings(), before);
  await writeFile(join(data, 'settings.json'), '{}', { mode: 0o600 });
  {
    await using _next = await startProgram(args, { env });
    assert.equal(await settings(), before);
  }
  assert.equal(await settings(), before);
});
