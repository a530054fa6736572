// Three network namespaces in a row, client, censor and server, joined by veth pairs: for what has to be true of single packets. Needs root, ip and nft.
import { spawnSync } from 'node:child_process';
import { findProgram, Programs, type ProgramsOptions } from './programs.ts';

/** Why namespaces cannot be had here; null where they can. */
export function namespacesMissing(): string | null {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'network namespaces need root on Linux';
  const absent = ['ip', 'nft', 'sysctl'].filter((name) => findProgram(name) === null);
  return absent.length === 0 ? null : `not on this machine: ${absent.join(', ')}`;
}

/** A censor between two namespaces. Disposing removes them, and with them everything that was set up inside. */
export interface CensoredNamespaces extends AsyncDisposable {
  /** For programs of the two ends. */
  readonly clientPrefix: readonly string[];
  readonly serverPrefix: readonly string[];
  /** Where servers listen. */
  readonly serverHost: string;
  readonly clientHost: string;
  /** Replaces the censor's rules: lines of nft for a chain that sees all that is forwarded; sets are for `sets`. */
  setRules(rules: readonly string[], sets?: readonly string[]): Promise<void>;
  /** How many packets a rule with `counter` has met, by its place among the rules that count. */
  counters(): Promise<readonly number[]>;
}

const CLIENT = { host: '10.81.1.2', gateway: '10.81.1.1' };
const SERVER = { host: '10.81.2.2', gateway: '10.81.2.1' };
const TABLE = 'censor';

/** Names that no other run has. */
function namesFor(tag: string): { client: string; censor: string; server: string } {
  return { client: `rozan-cl-${tag}`, censor: `rozan-ce-${tag}`, server: `rozan-se-${tag}` };
}

async function join(
  programs: Programs,
  censor: string,
  end: { name: string; host: string; gateway: string; link: string },
): Promise<void> {
  const ip = (...args: string[]) => programs.run('ip', args);
  const { name, host, gateway, link } = end;
  await ip('link', 'add', `${link}a`, 'netns', name, 'type', 'veth', 'peer', 'name', `${link}b`, 'netns', censor);
  await ip('-n', name, 'addr', 'add', `${host}/24`, 'dev', `${link}a`);
  await ip('-n', censor, 'addr', 'add', `${gateway}/24`, 'dev', `${link}b`);
  for (const device of ['lo', `${link}a`]) await ip('-n', name, 'link', 'set', device, 'up');
  // Packets of the size that a path carries: without this the kernel hands over 64 KB at once, and packets cannot be counted.
  await ip('-n', name, 'link', 'set', `${link}a`, 'gso_max_segs', '1');
  await ip('-n', censor, 'link', 'set', `${link}b`, 'up');
  // A sender that ignores loss, as bbr does, would make every throttle look harmless. By the route, as namespaces may not choose what the machine does not allow to all.
  await ip('-n', name, 'route', 'add', 'default', 'via', gateway, 'congctl', 'cubic');
}

/** What nft is told: everything of the censor in one table, replaced at once. */
export function rulesText(rules: readonly string[], sets: readonly string[] = []): string {
  return `table inet ${TABLE}
delete table inet ${TABLE}
table inet ${TABLE} {
${sets.map((line) => `  ${line}`).join('\n')}
  chain pass {
    type filter hook forward priority 0; policy accept;
${rules.map((line) => `    ${line}`).join('\n')}
  }
}
`;
}

/** Removes namespaces at once, without waiting for anything: for a process that is about to end. */
function deleteNow(names: readonly string[]): void {
  for (const name of names) spawnSync(findProgram('ip') ?? 'ip', ['netns', 'delete', name], { stdio: 'ignore' });
}

/** Makes the namespaces, with a censor that passes everything. `tag`: a few letters or digits that tell them from those of other runs. */
export async function createCensoredNamespaces(
  tag: string,
  options: ProgramsOptions = {},
): Promise<CensoredNamespaces> {
  await using stack = new AsyncDisposableStack();
  // Not the programs of the run: these have to work while the run is being ended.
  const programs = new Programs(options);
  stack.use(programs);
  const names = namesFor(tag);
  const left = new Set<string>();
  // A run that is told twice to stop does not wait for its own end.
  const onExit = () => deleteNow([...left]);
  process.on('exit', onExit);
  stack.defer(() => void process.off('exit', onExit));
  for (const name of Object.values(names)) {
    await programs.run('ip', ['netns', 'add', name]);
    left.add(name);
    stack.defer(async () => {
      await programs.run('ip', ['netns', 'delete', name]);
      left.delete(name);
    });
    if (name === names.censor) {
      const settings = ['net.ipv4.ip_forward=1', 'net.netfilter.nf_conntrack_acct=1'];
      await programs.run('ip', ['netns', 'exec', name, 'sysctl', '-q', '-w', ...settings]);
    }
  }
  await join(programs, names.censor, { name: names.client, ...CLIENT, link: `c${tag}` });
  await join(programs, names.censor, { name: names.server, ...SERVER, link: `s${tag}` });
  const inCensor = (args: readonly string[], input?: string) =>
    programs.run('ip', ['netns', 'exec', names.censor, 'nft', ...args], input === undefined ? {} : { input });
  const running = stack.move();
  return {
    clientPrefix: ['ip', 'netns', 'exec', names.client],
    serverPrefix: ['ip', 'netns', 'exec', names.server],
    serverHost: SERVER.host,
    clientHost: CLIENT.host,
    setRules: async (rules, sets) => {
      await inCensor(['-f', '-'], rulesText(rules, sets));
    },
    counters: async () => {
      const lines = await inCensor(['list', 'table', 'inet', TABLE]);
      return lines.flatMap((line) => [...line.matchAll(/counter packets (\d+)/g)].map(([, count]) => Number(count)));
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
