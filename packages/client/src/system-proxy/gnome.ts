import type { Desktop, ProxyPlace, Value } from './desktop.ts';

const SCHEMA = 'org.gnome.system.proxy';

/** Those on the machine itself and in its network are reached directly, as GNOME has it. */
const IGNORED = "['localhost', '127.0.0.0/8', '::1', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '*.local']";

/** The mode comes last: programs must not use half of it. */
function valuesOf({ host, socksPort, httpPort }: ProxyPlace): readonly Value[] {
  const quoted = `'${host}'`;
  const pair = (part: string, port: number) => [
    { key: `${SCHEMA}.${part} host`, text: quoted },
    { key: `${SCHEMA}.${part} port`, text: String(port) },
  ];
  return [
    ...pair('http', httpPort),
    ...pair('https', httpPort),
    ...pair('socks', socksPort),
    { key: `${SCHEMA} ignore-hosts`, text: IGNORED },
    { key: `${SCHEMA} mode`, text: "'manual'" },
  ];
}

const KEYS: readonly string[] = valuesOf({ host: '', socksPort: 0, httpPort: 0 }).map(({ key }) => key);

/** GNOME, and what else reads its settings, by `gsettings`. */
export const gnome: Desktop = {
  name: 'gnome',
  switchKey: `${SCHEMA} mode`,
  wanted: valuesOf,
  read: async (run) => {
    const values: Value[] = [];
    for (const key of KEYS) {
      const text = (await run({ program: 'gsettings', args: ['get', ...key.split(' ')] })).trim();
      values.push({ key, text });
    }
    return values;
  },
  write: async (run, { key, text }) => {
    const args = text === null ? ['reset', ...key.split(' ')] : ['set', ...key.split(' '), text];
    await run({ program: 'gsettings', args });
  },
  announce: async () => {},
};
