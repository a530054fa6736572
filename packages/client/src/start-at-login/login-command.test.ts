import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { type ClientArguments, parseClientArguments } from '../config.ts';
import { loginStart } from './login-command.ts';

const KEY = 'A'.repeat(43);

async function parsed(...args: readonly string[]): Promise<ClientArguments> {
  const found = await parseClientArguments(args);
  if (found === null) throw new Error('these arguments ask for help');
  return found;
}

/** What follows after `node rozan.mjs client`. */
async function atLogin(...args: readonly string[]): Promise<readonly string[] | undefined> {
  return loginStart(await parsed(...args))?.command.slice(3);
}

test('at login the client is where it is now', async () => {
  const found = loginStart(
    await parsed('--ui', '127.0.0.1:7777', '--data', 'data', '--socks', '127.0.0.1:1081'),
  )?.command;
  assert.equal(found?.[0], process.execPath);
  assert.match(found?.[1] ?? '', /bin.rozan\.mjs$/);
  assert.deepEqual(found?.slice(2), [
    ...['client', '--ui', '127.0.0.1:7777', '--data', resolve('data'), '--socks', '127.0.0.1:1081'],
  ]);
});

test('at login the client is told all that it was told now, files by their whole paths', async () => {
  const said = [
    ...['--ui', '127.0.0.1:7777', '--data', '/data', '--strict-replies'],
    ...['--carriers', '3', '--carriers-per-address', '2', '--rotate-after', '30', '--rotate-bytes', '5000'],
    ...['--pt', 'obfs4=/usr/bin/obfs4proxy -x', '--upstream-proxy', 'proxy.txt'],
    ...['--tactics', 'tactics.bin', '--tactics-key', KEY, '--tactics-key', 'key.pub', '--asn', '44244'],
    ...['--country', 'IR', '--bypass-domestic', '--bypass-list', 'names.txt'],
  ];
  const files = new Set(['proxy.txt', 'tactics.bin', 'key.pub', 'names.txt']);
  const expected = said.map((word) => (files.has(word) ? resolve(word) : word));
  const found = await atLogin(...said);
  assert.deepEqual(found, expected);
  // Said again, it means the same.
  assert.deepEqual(await parsed(...(found ?? [])), await parsed(...expected));
  assert.deepEqual(await atLogin(...expected), expected);
});

test('at login nothing is told of this run alone, and no password is written down', async () => {
  const common = ['--ui', '127.0.0.1:7777', '--data', '/data'];
  assert.deepEqual(await atLogin(...common, '--entry', '-', '--open', '--json', '--explain'), common);
  for (const source of ['env', 'socks5://proxy.work:1080']) {
    assert.deepEqual(await atLogin(...common, '--upstream-proxy', source), [...common, '--upstream-proxy', source]);
  }
  assert.equal(await atLogin(...common, '--upstream-proxy', 'http://user:secret@proxy.work:8080'), undefined);
});

test('a client with a brand, which needs no file of tactics, is told of its network again', async () => {
  assert.deepEqual((await atLogin('--data', '/data', '--asn', 'AS44244'))?.slice(-2), ['--asn', '44244']);
});

test('the client of each folder has an item of its own', async () => {
  const nameOf = async (...args: readonly string[]) => loginStart(await parsed(...args))?.name;
  assert.equal(await nameOf(), 'org.rozan.client');
  const [one, other] = [await nameOf('--data', '/one'), await nameOf('--data', '/other')];
  assert.match(one ?? '', /^org\.rozan\.client\.[0-9a-f]{8}$/);
  assert.notEqual(one, other);
});
