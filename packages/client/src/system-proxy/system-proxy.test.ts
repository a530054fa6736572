import assert from 'node:assert/strict';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientFolder } from '../data-folder.ts';
import type { MemoryStore } from '../establish/way-memory.ts';
import { gnome } from './gnome.ts';
import { kde } from './kde.ts';
import { macos } from './macos.ts';
import { desktopsOf } from './open-system-proxy.ts';
import { parseSaved, SystemProxy } from './system-proxy.ts';
import { FakeDesktop } from './testing/fake-desktop.ts';
import { windows } from './windows.ts';

const PLACE = { host: '127.0.0.1', socksPort: 1080, httpPort: 8080 };
const DESKTOPS = [gnome, kde(6), kde(5), macos, windows];

const GNOME_BEFORE = {
  'org.gnome.system.proxy mode': "'none'",
  'org.gnome.system.proxy ignore-hosts': "['localhost']",
  'org.gnome.system.proxy.http host': "'proxy.work'",
  'org.gnome.system.proxy.http port': '3128',
  'org.gnome.system.proxy.https host': "''",
  'org.gnome.system.proxy.https port': '0',
  'org.gnome.system.proxy.socks host': "''",
  'org.gnome.system.proxy.socks port': '0',
  'org.gnome.desktop.interface color-scheme': "'prefer-dark'",
};
const MACOS_BEFORE = {
  'Wi-Fi/webproxy': 'Yes proxy.work 3128',
  'Wi-Fi/securewebproxy': 'No proxy.work 3128',
  'Wi-Fi/socksfirewallproxy': 'No old.work 1081',
  'Wi-Fi/autoproxyurl': 'on',
  'Wi-Fi/proxyautodiscovery': 'off',
  'Wi-Fi/proxybypassdomains': 'work.example\n*.local',
  'USB LAN 2/webproxy': 'No old.work 80',
  'USB LAN 2/securewebproxy': 'No old.work 80',
  'USB LAN 2/socksfirewallproxy': 'No old.work 80',
  'USB LAN 2/autoproxyurl': 'off',
  'USB LAN 2/proxyautodiscovery': 'on',
  'USB LAN 2/proxybypassdomains': '',
  'Old Modem/webproxy': 'No old.work 80',
  'Old Modem/securewebproxy': 'No old.work 80',
  'Old Modem/socksfirewallproxy': 'No old.work 80',
  'Old Modem/autoproxyurl': 'on',
  'Old Modem/proxyautodiscovery': 'off',
  'Old Modem/proxybypassdomains': '',
};
const WINDOWS_BEFORE = {
  ProxyEnable: 'REG_DWORD 0x0',
  ProxyOverride: 'REG_SZ *.work;<local>',
  AutoConfigURL: 'REG_SZ http://wpad.work/proxy.pac',
  User_Agent: 'REG_SZ Mozilla/4.0',
};
const MACHINES = {
  macos: () => new FakeDesktop(['networksetup'], MACOS_BEFORE),
  windows: () => new FakeDesktop(['reg', 'powershell'], WINDOWS_BEFORE),
  gnome: () => new FakeDesktop(['gsettings'], GNOME_BEFORE),
  kde: () => new FakeDesktop(['kreadconfig6', 'kwriteconfig6', 'dbus-send'], { ProxyType: '2', NoProxyFor: 'work' }),
};

const sorted = ({ values }: FakeDesktop) => new Map([...values].sort());

function memoryFile(): MemoryStore {
  let text: string | null = null;
  return {
    read: async () => text,
    write: async (next) => {
      text = next;
    },
  };
}

function open(machine: FakeDesktop, file: MemoryStore): Promise<SystemProxy> {
  return SystemProxy.open({ run: machine.run, desktops: DESKTOPS, file, log: () => {} });
}

/** What a client leaves that is killed after so many changes, while it sets the proxy or puts back what was there. */
async function killed(
  create: () => FakeDesktop,
  during: 'on' | 'off',
  survived: number,
): Promise<{ readonly machine: FakeDesktop; readonly file: MemoryStore }> {
  const [machine, file] = [create(), memoryFile()];
  const proxy = await open(machine, file);
  if (during === 'off') await proxy.on(PLACE);
  machine.changesLeft = survived;
  await (during === 'on' ? proxy.on(PLACE) : proxy.off()).catch(() => {});
  machine.changesLeft = Number.POSITIVE_INFINITY;
  return { machine, file };
}

for (const [name, create] of Object.entries(MACHINES)) {
  test(`${name}: it is turned on, the switch itself last, and off again with all as it was`, async () => {
    const machine = create();
    const before = new Map(machine.values);
    const proxy = await open(machine, memoryFile());
    assert.deepEqual(machine.changes, []);
    await proxy.on(PLACE);
    assert.match(machine.changes.at(-1) ?? '', /mode|ProxyType|ProxyEnable|webproxy/);
    assert.match([...machine.values.values()].join(' '), /8080/);
    await proxy.off();
    assert.deepEqual(sorted(machine), new Map([...before].sort()));
    const { length } = machine.changes;
    await proxy.off();
    assert.equal(machine.changes.length, length);
  });

  test(`${name}: killed after any change, the next start has it as it was`, async () => {
    const before = sorted(create());
    for (let survived = 0; survived <= 40; survived += 1) {
      const { machine, file } = await killed(create, 'on', survived);
      const next = await open(machine, file);
      assert.deepEqual(sorted(machine), before, `after ${survived} changes`);
      assert.equal(next.isForeign, false);
    }
  });

  test(`${name}: killed while it is put back, the next start goes on with that`, async () => {
    const before = sorted(create());
    for (let survived = 0; survived <= 30; survived += 1) {
      const { machine, file } = await killed(create, 'off', survived);
      const next = await open(machine, file);
      assert.deepEqual(sorted(machine), before, `after ${survived} changes`);
      assert.equal(next.isForeign, false);
    }
  });
}

test('what somebody else has changed meanwhile stays, and nothing else is touched', async () => {
  const machine = MACHINES.gnome();
  const file = memoryFile();
  await (await open(machine, file)).on(PLACE);
  machine.values.set('org.gnome.system.proxy.http host', "'other.proxy'");
  const next = await open(machine, file);
  assert.equal(next.isForeign, true);
  assert.equal(machine.values.get('org.gnome.system.proxy.http host'), "'other.proxy'");
  assert.equal(machine.values.get('org.gnome.system.proxy mode'), "'manual'");
  assert.equal(machine.values.get('org.gnome.system.proxy.socks port'), '0');
  assert.equal(
    machine.changes.some((key) => key.includes('desktop.interface')),
    false,
  );
});

for (const [name, create] of Object.entries(MACHINES)) {
  test(`${name}: a desktop that keeps nothing is told from one that does`, async () => {
    const machine = create();
    const file = memoryFile();
    const proxy = await open(machine, file);
    machine.isForgetful = true;
    await assert.rejects(proxy.on(PLACE));
    assert.equal(proxy.isOn, false);
    machine.isForgetful = false;
    const before = sorted(machine);
    await proxy.on(PLACE);
    machine.isForgetful = true;
    await assert.rejects(proxy.off());
    assert.equal(proxy.isOn, true);
    machine.isForgetful = false;
    await open(machine, file);
    assert.deepEqual(sorted(machine), before);
  });
}

test('what was set in one desktop is put back from another, or kept for a later time', async () => {
  const machine = new FakeDesktop(['gsettings', 'kreadconfig6', 'kwriteconfig6', 'dbus-send'], GNOME_BEFORE);
  const before = sorted(machine);
  const file = memoryFile();
  const common = { run: machine.run, file, log: () => {} };
  await (await SystemProxy.open({ ...common, desktops: [gnome] })).on(PLACE);
  const stranger = await SystemProxy.open({ ...common, desktops: [kde(6)] });
  await assert.rejects(stranger.off());
  await assert.rejects(stranger.on(PLACE));
  const { desktops, others } = desktopsOf('linux', 'KDE');
  await SystemProxy.open({ ...common, desktops, others });
  assert.deepEqual(sorted(machine), before);
});

test('only desktops of this system and session are used', () => {
  const names = (platform: NodeJS.Platform, session: string) =>
    desktopsOf(platform, session).desktops.map((desktop) => desktop.name);
  assert.deepEqual(names('linux', 'ubuntu:GNOME'), ['gnome']);
  assert.deepEqual(names('linux', 'KDE'), ['kde6', 'kde5']);
  assert.deepEqual(names('linux', ''), []);
  assert.deepEqual(names('darwin', ''), ['macos']);
  assert.deepEqual(names('win32', ''), ['windows']);
});

test('macOS: a disabled service stays as it is, and is put right when it was disabled meanwhile', async () => {
  const machine = MACHINES.macos();
  const before = sorted(machine);
  const proxy = await open(machine, memoryFile());
  await proxy.on(PLACE);
  assert.ok(machine.changes.every((key) => !key.startsWith('Old Modem')));
  machine.disabled.add('USB LAN 2');
  await proxy.off();
  assert.deepEqual(sorted(machine), before);
});

test('macOS: where there was no address it stays, turned off, and counts as put back after a kill, too', async () => {
  const create = () => new FakeDesktop(['networksetup'], { ...MACOS_BEFORE, 'Wi-Fi/webproxy': 'No  0' });
  for (let survived = 0; survived <= 30; survived += 1) {
    const { machine, file } = await killed(create, 'off', survived);
    const journal = await file.read();
    for (const proxy of [await open(machine, file), await open(machine, { ...file, read: async () => journal })]) {
      assert.equal(proxy.isForeign, false);
      const { 'Wi-Fi/webproxy': web, ...rest } = Object.fromEntries(machine.values);
      assert.match(web ?? '', /^No /);
      const { 'Wi-Fi/webproxy': _, ...before } = MACOS_BEFORE;
      assert.deepEqual(rest, before);
    }
  }
});

test('macOS: a proxy with a password is left alone, since that could not be put back', async () => {
  const machine = MACHINES.macos();
  machine.values.set('Wi-Fi/webproxy', 'Yes proxy.work 3128 password');
  const proxy = await open(machine, memoryFile());
  await assert.rejects(proxy.on(PLACE), /password/);
  assert.deepEqual(machine.changes, []);
  machine.values.set('Wi-Fi/webproxy', 'Yes proxy.work 3128');
  await proxy.on(PLACE);
  machine.values.set('USB LAN 2/webproxy', 'Yes other.proxy 1 password');
  await proxy.off();
  assert.equal(proxy.isForeign, true);
  assert.equal(machine.values.get('USB LAN 2/webproxy'), 'Yes other.proxy 1 password');
  assert.equal(machine.values.get('Wi-Fi/webproxy'), 'Yes proxy.work 3128');
});

test('turned on and off again at once it is off, and on twice is on once', async () => {
  const machine = MACHINES.gnome();
  const before = sorted(machine);
  const proxy = await open(machine, memoryFile());
  await Promise.all([proxy.on(PLACE), proxy.off()]);
  assert.deepEqual(sorted(machine), before);
  await proxy.on(PLACE);
  const { length } = machine.changes;
  await proxy.on(PLACE);
  assert.equal(machine.changes.length, length);
  await proxy.on({ ...PLACE, httpPort: 8181 });
  assert.equal(machine.values.get('org.gnome.system.proxy.http port'), '8181');
  await proxy.off();
  assert.deepEqual(sorted(machine), before);
});

test('where there is no desktop that it knows it says so, and does nothing', async () => {
  const machine = new FakeDesktop([]);
  const proxy = await open(machine, memoryFile());
  assert.equal(proxy.isAvailable, false);
  await assert.rejects(proxy.on(PLACE));
});

test('what was before is in a file of its user alone before anything is changed', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-'));
  try {
    const file = (await ClientFolder.open(folder)).systemProxy;
    const machine = MACHINES.gnome();
    machine.changesLeft = 0;
    await (await open(machine, file)).on(PLACE).catch(() => {});
    assert.equal((await stat(join(folder, 'system-proxy.json'))).mode & 0o777, 0o600);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file of any kind is read or counts as none', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const saved = parseSaved(text);
      assert.ok(saved === null || Array.isArray(saved.before));
    }),
  );
});
