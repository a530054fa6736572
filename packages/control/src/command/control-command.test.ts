import assert from 'node:assert/strict';
import { chown, mkdtemp, rm, stat, truncate } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { ROUTES } from '../routes/routes.ts';
import { runRozan, startControl } from '../testing/control-program.ts';
import { requestOf } from './route-command.ts';
import { showReply } from './show-reply.ts';

test('a network is made, asked, backed up and restored on the command line', async (context) => {
  const folder = await temporaryFolder(context);
  const data = join(folder, 'control');
  const backup = join(folder, 'backup');
  const ask = async (...args: string[]) => {
    const { code, stdout, stderr } = await runRozan([...args, '--data', data]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  {
    const refused = await runRozan(['channel', 'list', '--data', data]);
    assert.deepEqual([refused.code, /no control plane runs/.test(refused.stderr)], [1, true]);
  }
  {
    await using control = await startControl(data);
    assert.match(String(control.ready.login), /^http:\/\/localhost:\d+\/login#rozan-login-/);
    const second = await runRozan(['control', '--data', data, '--listen', '127.0.0.1:0']);
    assert.deepEqual([second.code, /another control plane runs/.test(second.stderr)], [4, true]);
    assert.equal(await ask('channel', 'add', 'default', '--buckets', '2'), 'done\n');
    assert.match(await ask('channel', 'list'), /^channel +note +buckets +relays\ndefault +- +2 +0\n$/);
    assert.match(await ask('control', 'enrolment', 'add', 'r1', '--channels', 'default'), /token: rozan-enrol-/);
    assert.match(await ask('control', 'backup', backup), /rows are in/);
    assert.equal((await stat(backup)).mode & 0o777, 0o600);
  }
  const other = join(folder, 'other');
  const restored = await runRozan(['control', 'restore', backup, '--data', other]);
  assert.equal(restored.code, 0, restored.stderr);
  {
    await using control = await startControl(other);
    assert.equal(control.ready.login, undefined, 'it has its accounts already');
    const { json } = await control.call('GET', '/channels');
    assert.deepEqual(json, [{ channel: 'default', note: '', buckets: 2, relays: 0 }]);
  }
  await truncate(backup, 200);
  const cut = await runRozan(['control', 'restore', backup, '--data', join(folder, 'third')]);
  assert.deepEqual([cut.code, /not whole/.test(cut.stderr)], [1, true]);
});

test('a user who is not root runs a control plane', {
  skip: process.getuid?.() === 0 ? false : 'the other tests do',
}, async (context) => {
  const [uid, gid] = [65_534, 65_534];
  const home = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  context.after(() => rm(home, { recursive: true, force: true }));
  await chown(home, uid, gid);
  await using control = await startControl(join(home, 'control'), { uid, gid, env: { HOME: home } });
  assert.equal((await control.call('GET', '/healthz')).status, 200);
});

test('what cannot be used is refused with what to do', async (context) => {
  const data = await temporaryFolder(context);
  const refusals: readonly (readonly [args: string[], code: number, says: RegExp])[] = [
    [['control', '--listen', '0.0.0.0:0'], 2, /listens on loopback only\n.*--tls-cert/],
    [['control', '--tls-cert', 'x'], 2, /go together/],
    [['control', '--origin', 'nonsense'], 2, /--origin takes a URL/],
    [['control', 'restore', join(data, 'none')], 1, /there is no file/],
    [['control', 'backup', join(data, 'b')], 4, /there is no network/],
    [['control', 'relay', 'drain'], 2, /missing required argument/],
  ];
  for (const [args, code, says] of refusals) {
    const ended = await runRozan([...args, '--data', data]);
    assert.equal(ended.code, code, ended.stderr);
    assert.match(ended.stderr, says);
  }
  const unreachable = await runRozan(['control', '--data', data, '--listen', '127.0.0.1:0'], {
    env: { DATABASE_URL: 'postgres://somebody:secret@127.0.0.1:1/none' },
  });
  assert.equal(unreachable.code, 1);
  assert.match(unreachable.stderr, /the database cannot be used/);
  assert.ok(!unreachable.stderr.includes('secret'));
});

test('every route that is not for programs alone has a command, and no two have the same', () => {
  const commands = ROUTES.flatMap(({ command }) => (command === null ? [] : [command]));
  assert.equal(new Set(commands).size, commands.length);
  for (const { command, access, path } of ROUTES) {
    if (access.includes('operator') && !/^\/(me\/|logout)/.test(path)) assert.notEqual(command, null, path);
  }
});

test('a command becomes a request, and a reply becomes text', () => {
  const route = ROUTES.find(({ command }) => command === 'relay rotate-secret');
  assert.ok(route !== undefined);
  const values = new Map([
    ['relay', 'a/b'],
    ['channel', 'c'],
    ['keepHours', '5'],
  ]);
  const request = { method: 'POST', path: '/relays/a%2Fb/channels/c/secret', body: { keepHours: 5 } };
  assert.deepEqual(requestOf(route, values), request);
  assert.equal(showReply({ done: true }), 'done');
  assert.equal(showReply([]), 'none');
  assert.equal(showReply([{ a: 1, b: [], c: null }]), 'a  b  c\n1  -  -');
  assert.equal(showReply({ link: 'x' }), 'x');
});
