import type { Desktop, ProxyPlace, Value } from './desktop.ts';

const KEY = 'HKCU\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings';

/** Those on the machine itself and in its network are reached directly; `<local>` stands for names without a dot. */
const BYPASSED = ['localhost', '127.*', '10.*', ...from(16, 31).map((part) => `172.${part}.*`), '192.168.*', '<local>'];

function from(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/**
 * A value is its type and its data. Windows knows SOCKS 4 alone, with names looked up here, so all goes through the HTTP proxy. A script that
 * says which proxy to use would stand above it.
 */
function valuesOf({ host, httpPort }: ProxyPlace): readonly Value[] {
  return [
    { key: 'ProxyServer', text: `REG_SZ ${host}:${httpPort}` },
    { key: 'ProxyOverride', text: `REG_SZ ${BYPASSED.join(';')}` },
    { key: 'AutoConfigURL', text: null },
    { key: 'ProxyEnable', text: 'REG_DWORD 0x1' },
  ];
}

const NAMES: readonly string[] = valuesOf({ host: '', socksPort: 0, httpPort: 0 }).map(({ key }) => key);
const LINE = /^ {4}(\w+) {4}(REG_\w+) {4}(.*)$/;

/** What it takes to compile a line of C# on a slow machine; in ms. */
const ANNOUNCE_MS = 30_000;
/** Tells programs that run that the settings are others: INTERNET_OPTION_SETTINGS_CHANGED and INTERNET_OPTION_REFRESH. */
const ANNOUNCE = `$t = Add-Type -Name WinInet -Namespace Rozan -PassThru -MemberDefinition '[DllImport("wininet.dll")] public static extern bool InternetSetOption(IntPtr h, int o, IntPtr b, int l);'; foreach ($o in 39, 37) { [void]$t::InternetSetOption([IntPtr]::Zero, $o, [IntPtr]::Zero, 0) }`;

/** Windows, by `reg`, for the user alone. */
export const windows: Desktop = {
  name: 'windows',
  switchKey: 'ProxyEnable',
  wanted: valuesOf,
  read: async (run) => {
    const output = await run({ program: 'reg', args: ['query', KEY] });
    const found = new Map<string, string>();
    for (const line of output.split(/\r?\n/)) {
      const [, name = '', type, data] = LINE.exec(line) ?? [];
      if (NAMES.includes(name)) found.set(name, `${type} ${data}`);
    }
    // What does not come whole through the console's code page could not be put back.
    if ([...found.values()].some((text) => text.includes('\uFFFD'))) throw new Error('a value cannot be read');
    return NAMES.map((key) => ({ key, text: found.get(key) ?? null }));
  },
  write: async (run, { key, text }) => {
    const end = text?.indexOf(' ') ?? 0;
    const args =
      text === null
        ? ['delete', KEY, '/v', key, '/f']
        : ['add', KEY, '/v', key, '/t', text.slice(0, end), '/d', text.slice(end + 1), '/f'];
    await run({ program: 'reg', args });
  },
  announce: async (run) => {
    const args = ['-NoProfile', '-NonInteractive', '-Command', ANNOUNCE];
    await run({ program: 'powershell', args, timeoutMs: ANNOUNCE_MS }).catch(() => {});
  },
};
