import type { Desktop, ProxyPlace, Value } from './desktop.ts';

const GROUP = ['--file', 'kioslaverc', '--group', 'Proxy Settings'] as const;

/** KDE writes the port behind a space. */
function valuesOf({ host, socksPort, httpPort }: ProxyPlace): readonly Value[] {
  return [
    { key: 'httpProxy', text: `http://${host} ${httpPort}` },
    { key: 'httpsProxy', text: `http://${host} ${httpPort}` },
    { key: 'socksProxy', text: `socks://${host} ${socksPort}` },
    { key: 'NoProxyFor', text: 'localhost,127.0.0.1,::1,.local' },
    { key: 'ProxyType', text: '1' },
  ];
}

const KEYS: readonly string[] = valuesOf({ host: '', socksPort: 0, httpPort: 0 }).map(({ key }) => key);

/** KDE Plasma, by `kreadconfig` and `kwriteconfig` of one version. An empty value and none are the same to KDE. */
export function kde(version: 5 | 6): Desktop {
  return {
    name: `kde${version}`,
    switchKey: 'ProxyType',
    wanted: valuesOf,
    read: async (run) => {
      const values: Value[] = [];
      for (const key of KEYS) {
        const text = (await run({ program: `kreadconfig${version}`, args: [...GROUP, '--key', key] })).trim();
        values.push({ key, text: text === '' ? null : text });
      }
      return values;
    },
    write: async (run, { key, text }) => {
      const value = text === null ? ['--delete', ''] : [text];
      await run({ program: `kwriteconfig${version}`, args: [...GROUP, '--key', key, ...value] });
    },
    announce: async (run) => {
      const args = ['--type=signal', '/KIO/Scheduler', 'org.kde.KIO.Scheduler.reparseSlaveConfiguration', 'string:'];
      await run({ program: 'dbus-send', args }).catch(() => {});
    },
  };
}
