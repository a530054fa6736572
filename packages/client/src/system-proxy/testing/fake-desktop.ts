import type { Command, RunCommand } from '../desktop.ts';

/** A machine whose settings are kept in memory: takes the commands of GNOME and KDE, and writes down every one that changes something. */
export class FakeDesktop {
  readonly values: Map<string, string>;
  readonly changes: string[] = [];
  /** So many further changes are made; the next fails, as when the process is killed. */
  changesLeft: number = Number.POSITIVE_INFINITY;
  readonly #programs: ReadonlySet<string>;

  constructor(programs: readonly string[], values: Readonly<Record<string, string>> = {}) {
    this.#programs = new Set(programs);
    this.values = new Map(Object.entries(values));
  }

  readonly run: RunCommand = async (command) => {
    if (!this.#programs.has(command.program)) throw new Error(`there is no ${command.program} here`);
    return command.program === 'gsettings' ? this.#gsettings(command) : this.#kde(command);
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

  #change(key: string, value: string | null): void {
    if (this.changesLeft <= 0) throw new Error('killed');
    this.changesLeft -= 1;
    this.changes.push(key);
    if (value === null) this.values.delete(key);
    else this.values.set(key, value);
  }
}
