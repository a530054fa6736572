import type { Command, RunCommand } from '../desktop.ts';

/** A machine whose settings are kept in memory: takes the commands of GNOME, KDE, macOS and Windows, and writes down every one that changes something. */
export class FakeDesktop {
  readonly values: Map<string, string>;
  readonly changes: string[] = [];
  /** So many further changes are made; the next fails, as when the process is killed. */
  changesLeft: number = Number.POSITIVE_INFINITY;
  /** Takes changes and keeps none, as `gsettings` does without a session bus. */
  isForgetful: boolean = false;
  /** Network services of macOS that are disabled. */
  readonly disabled = new Set(['Old Modem']);
  readonly #programs: ReadonlySet<string>;

  constructor(programs: readonly string[], values: Readonly<Record<string, string>> = {}) {
    this.#programs = new Set(programs);
    this.values = new Map(Object.entries(values));
  }

  readonly run: RunCommand = async (command) => {
    if (!this.#programs.has(command.program)) throw new Error(`there is no ${command.program} here`);
    switch (command.program) {
      case 'gsettings':
        return this.#gsettings(command);
      case 'networksetup':
        return this.#networksetup(command);
      case 'reg':
        return this.#reg(command);
      case 'powershell':
        return '';
      default:
        return this.#kde(command);
    }
  };

  #gsettings({ args }: Command): string {
    const [verb, schema, name, value] = args;
    const key = `${schema} ${name}`;
    if (verb === 'get') return `${this.values.get(key) ?? "''"}\n`;
    this.#change(key, value ?? null);
    return '';
  }

  #kde({ program, args }: Command): string {
    const key = args[args.indexOf('--key') + 1] ?? '';
    if (program === 'dbus-send') return '';
    if (program.startsWith('kread')) return `${this.values.get(key) ?? ''}\n`;
    this.#change(key, args.includes('--delete') ? null : (args.at(-1) ?? null));
    return '';
  }

  /** Values are by service and kind: of proxies `Yes|No SERVER PORT`, perhaps with `password`. */
  #networksetup({ args }: Command): string {
    const [option = '', service = '', ...rest] = args;
    const services = [...new Set([...this.values.keys()].map((key) => key.split('/')[0] ?? ''))];
    const get = (kind: string) => this.values.get(`${service}/${kind}`) ?? '';
    const set = (kind: string, value: string) => this.#change(`${service}/${kind}`, value);
    const [, verb = '', kind = ''] = /^-(get|set|listall)(\w+)$/.exec(option) ?? [];
    if (verb === 'listall') {
      const lines = services.map((name) => `${this.disabled.has(name) ? '*' : ''}${name}\n`).join('');
      return `An asterisk (*) denotes that a network service is disabled.\n${lines}`;
    }
    if (verb === 'get') return this.#showNetwork(kind, get(kind), service);
    const proxy = kind.replace(/proxystate$/, 'proxy');
    const isProxy = /^(web|secureweb|socksfirewall)proxy$/.test(proxy);
    if (isProxy && kind === proxy) set(proxy, `Yes ${rest[0]} ${rest[1]}`);
    else if (isProxy) set(proxy, get(proxy).replace(/^(Yes|No)/, rest[0] === 'on' ? 'Yes' : 'No'));
    else if (kind === 'proxybypassdomains') set(kind, rest[0] === 'Empty' ? '' : rest.join('\n'));
    else set(kind === 'autoproxystate' ? 'autoproxyurl' : kind, rest[0] ?? '');
    return '';
  }

  #showNetwork(kind: string, value: string, service: string): string {
    if (kind === 'autoproxyurl') return `URL: (null)\nEnabled: ${value === 'on' ? 'Yes' : 'No'}\n`;
    if (kind === 'proxyautodiscovery') return `Auto Proxy Discovery: ${value === 'on' ? 'On' : 'Off'}\n`;
    if (kind === 'proxybypassdomains')
      return value === '' ? `There aren't any bypass domains set on ${service}.\n` : `${value}\n`;
    const [enabled, server, port, password] = value.split(' ');
    const isSecured = password === undefined ? 0 : 1;
    return `Enabled: ${enabled}\nServer: ${server}\nPort: ${port}\nAuthenticated Proxy Enabled: ${isSecured}\n`;
  }

  #reg({ args }: Command): string {
    const [verb, key, , name = ''] = args;
    if (verb === 'query' && args[2] === '/v' && !this.values.has(name)) throw new Error('there is no such value');
    if (verb === 'query') {
      const lines = [...this.values].map(([each, value]) => `    ${each}    ${value.replace(' ', '    ')}`);
      return ['', key, ...lines, '', ''].join('\r\n');
    }
    this.#change(name, verb === 'delete' ? null : `${args[args.indexOf('/t') + 1]} ${args[args.indexOf('/d') + 1]}`);
    return '';
  }

  #change(key: string, value: string | null): void {
    if (this.changesLeft <= 0) throw new Error('killed');
    this.changesLeft -= 1;
    this.changes.push(key);
    if (this.isForgetful) return;
    if (value === null) this.values.delete(key);
    else this.values.set(key, value);
  }
}
