import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { FakeDesktop } from '../system-proxy/testing/fake-desktop.ts';
import { findLoginItem } from './find-login-item.ts';
import { desktopEntry, launchAgent, loginFile } from './login-file.ts';
import { loginRunKey } from './login-run-key.ts';

const COMMAND = ['/opt/rozan & co/node', '/opt/rozan & co/bin/rozan.mjs', 'client'];

async function scratch(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-'));
  context.after(() => rm(folder, { recursive: true }));
  return folder;
}

for (const format of [desktopEntry, launchAgent]) {
  test(`${format.name}: it is there when turned on, once, and gone when turned off`, async (context) => {
    const folder = await scratch(context);
    const path = join(folder, 'autostart', 'entry');
    const item = loginFile(path, format);
    assert.equal(await item.isOn(), false);
    await item.off();
    await item.on(COMMAND);
    await item.on([...COMMAND, '--ui']);
    assert.equal(await item.isOn(), true);
    assert.deepEqual(await readdir(join(folder, 'autostart')), ['entry']);
    assert.match(await readFile(path, 'utf8'), /--ui/);
    await item.off();
    assert.deepEqual(await readdir(join(folder, 'autostart')), []);
  });

  test(`${format.name}: what somebody else has by that name stays`, async (context) => {
    const folder = await scratch(context);
    const path = join(folder, 'entry');
    await mkdir(folder, { recursive: true });
    await writeFile(path, 'theirs');
    const item = loginFile(path, format);
    await assert.rejects(item.on(COMMAND));
    await item.off();
    assert.equal(await readFile(path, 'utf8'), 'theirs');
  });
}

test('what a person has turned off with the means of their desktop is off, until it is turned on again', async (context) => {
  const path = join(await scratch(context), 'entry');
  const item = loginFile(path, desktopEntry);
  for (const line of ['X-GNOME-Autostart-enabled=false', 'Hidden=true']) {
    await item.on(COMMAND);
    await writeFile(path, `${await readFile(path, 'utf8')}${line}\n`);
    assert.equal(await item.isOn(), false);
    await item.on(COMMAND);
    assert.equal(await item.isOn(), true);
  }
});

test('what cannot be read is not ours', async (context) => {
  const path = join(await scratch(context), 'entry');
  await mkdir(path);
  const item = loginFile(path, desktopEntry);
  assert.equal(await item.isOn(), false);
  await assert.rejects(item.on(COMMAND));
  await item.off();
  assert.deepEqual(await readdir(path), []);
});

test('Windows: a value of the Run key, and no others are touched', async () => {
  const machine = new FakeDesktop(['reg'], { Mail: 'REG_SZ mail.exe' });
  const item = loginRunKey(machine.run, 'org.rozan.client');
  assert.equal(await item.isOn(), false);
  await item.on(['C:\\Program Files\\node.exe', 'client']);
  assert.equal(machine.values.get('org.rozan.client'), 'REG_SZ "C:\\Program Files\\node.exe" "client"');
  assert.equal(await item.isOn(), true);
  await item.off();
  assert.deepEqual([...machine.values], [['Mail', 'REG_SZ mail.exe']]);
  await assert.rejects(item.on(['x'.repeat(300)]), RangeError);
});

test('outside of a desktop there is nothing that starts at login', () => {
  assert.equal(findLoginItem('linux', {}, 'x'), null);
  assert.notEqual(findLoginItem('linux', { XDG_CURRENT_DESKTOP: 'GNOME' }, 'x'), null);
});
