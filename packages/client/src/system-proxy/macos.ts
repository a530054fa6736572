import type { Command, Desktop, RunCommand, Value } from './desktop.ts';

/** The kinds of proxies that `networksetup` sets each for itself, by the word in its options. */
const PROXIES = ['socksfirewallproxy', 'securewebproxy', 'webproxy'] as const;
type Proxy = (typeof PROXIES)[number];
const BYPASS = 'proxybypassdomains';
/** A script that says which proxy to use stands above the proxies, and so does looking for one. */
const SCRIPT = 'autoproxystate';
const DISCOVERY = 'proxyautodiscovery';

/** Those on the machine itself and in its network are reached directly, as macOS has it. */
const BYPASSED = ['localhost', '127.0.0.1', '*.local', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '169.254/16'];

/** Off, and without an address. */
const NO_PROXY = 'No 0 ';
/** Stands behind a proxy with a password, which is not to be had, and so could not be put back. */
const WITH_PASSWORD = ' with a password';

const networksetup = (...args: readonly string[]): Command => ({ program: 'networksetup', args });
const isProxy = (kind: string): kind is Proxy => (PROXIES as readonly string[]).includes(kind);

/** A value is of a kind, and of a network service, whose name may have spaces. */
function partsOf(key: string): readonly [kind: string, service: string] {
  const end = key.indexOf(' ');
  return [key.slice(0, end), key.slice(end + 1)];
}

interface Service {
  readonly name: string;
  readonly isIdle: boolean;
}

/** The first line explains the asterisk of those that are disabled, which are read lest they keep proxies of ours. */
async function servicesOf(run: RunCommand): Promise<Service[]> {
  const lines = (await run(networksetup('-listallnetworkservices'))).split('\n').slice(1);
  return lines
    .filter((line) => line !== '')
    .map((line) => ({ name: line.replace(/^\*/, ''), isIdle: line.startsWith('*') }));
}

function fieldOf(output: string, name: string): string {
  return new RegExp(`^${name}: ?(.*)$`, 'm').exec(output)?.[1]?.trim() ?? '';
}

async function readProxy(run: RunCommand, proxy: Proxy, service: string): Promise<string> {
  const output = await run(networksetup(`-get${proxy}`, service));
  const hasPassword = fieldOf(output, 'Authenticated Proxy Enabled') === '1';
  return `${fieldOf(output, 'Enabled')} ${fieldOf(output, 'Port')} ${fieldOf(output, 'Server')}${hasPassword ? WITH_PASSWORD : ''}`;
}

async function readBypass(run: RunCommand, service: string): Promise<string | null> {
  const lines = (await run(networksetup(`-get${BYPASS}`, service))).split('\n').filter((line) => line !== '');
  // Without any there is a sentence, which no domain is.
  return lines.length === 0 || lines.some((line) => line.includes(' ')) ? null : lines.join('\n');
}

async function readService(run: RunCommand, { name: service, isIdle }: Service): Promise<Value[]> {
  const script = await run(networksetup('-getautoproxyurl', service));
  const discovery = await run(networksetup(`-get${DISCOVERY}`, service));
  const values = [
    { key: `${BYPASS} ${service}`, text: await readBypass(run, service) },
    { key: `${SCRIPT} ${service}`, text: fieldOf(script, 'Enabled') === 'Yes' ? 'on' : 'off' },
    { key: `${DISCOVERY} ${service}`, text: /:\s*On\b/i.test(discovery) ? 'on' : 'off' },
  ];
  for (const proxy of PROXIES) {
    values.push({ key: `${proxy} ${service}`, text: await readProxy(run, proxy, service) });
  }
  return values.map((value) => ({ ...value, isIdle }));
}

async function writeProxy(run: RunCommand, [proxy, service]: readonly [Proxy, string], text: string): Promise<void> {
  const [enabled, port = '0', server = ''] = text.split(' ');
  // Setting one turns it on. There is no command that sets none: an address that was not there before stays, turned off.
  if (server !== '') await run(networksetup(`-set${proxy}`, service, server, port));
  if (enabled !== 'Yes') await run(networksetup(`-set${proxy}state`, service, 'off'));
}

/** macOS, by `networksetup`, in every network service that is not disabled. */
export const macos: Desktop = {
  name: 'macos',
  switchKey: null,
  wanted: ({ host, socksPort, httpPort }, before) => {
    const active = before.filter(({ isIdle }) => isIdle !== true);
    if (active.length === 0) throw new Error('there is no network service that is enabled');
    if (active.some(({ text }) => text?.endsWith(WITH_PASSWORD))) throw new Error('a proxy with a password is set');
    return active.map(({ key }) => {
      const [kind] = partsOf(key);
      if (kind === BYPASS) return { key, text: BYPASSED.join('\n') };
      if (!isProxy(kind)) return { key, text: 'off' };
      return { key, text: `Yes ${kind === 'socksfirewallproxy' ? socksPort : httpPort} ${host}` };
    });
  },
  read: async (run) => {
    const values: Value[] = [];
    for (const service of await servicesOf(run)) values.push(...(await readService(run, service)));
    if (values.length === 0) throw new Error('there is no network service');
    return values;
  },
  write: async (run, { key, text }) => {
    const [kind, service] = partsOf(key);
    if (isProxy(kind)) await writeProxy(run, [kind, service], text ?? NO_PROXY);
    else if (kind === BYPASS) await run(networksetup(`-set${BYPASS}`, service, ...(text?.split('\n') ?? ['Empty'])));
    else await run(networksetup(`-set${kind}`, service, text ?? 'off'));
  },
  isPassing: (now, before) => before !== null && now === before.replace(/^No /, 'Yes '),
  isAsGoodAs: (now, before) => now !== null && before === NO_PROXY && now.startsWith('No '),
  announce: async () => {},
};
