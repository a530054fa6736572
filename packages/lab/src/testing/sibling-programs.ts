import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { createEntryLink, openRelayFolder } from '@rozan/relay';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { type Cutter, createCutter } from '../../../../bench/cutter-core.mjs';
import { createScratchFolder } from '../world.ts';
import { type Program, runRozan, startProgram } from './program.ts';
import { freePort } from './worker-relay.ts';

const POLL_MS = 50;
const PATIENCE_MS = 30_000;

/** A relay as a program. */
export interface SiblingProgram {
  readonly program: Program;
  readonly folder: string;
  /** What events call it. */
  readonly tag: string;
  /** The sum of a metric over the labels that the text names; all without. */
  metric(name: string, label?: string): Promise<number>;
}

/** Two relays that are siblings, and a client with a session at the first, all as programs. Disposing ends them. */
export interface SiblingPrograms extends AsyncDisposable {
  readonly home: SiblingProgram;
  readonly other: SiblingProgram;
  readonly client: Program;
  /** Stands between the client and the home, and nowhere else. */
  readonly cutter: Cutter;
}

/** How they are made. */
export interface SiblingProgramsOptions {
  readonly workers: number;
  readonly originPort: number;
  /** By what each listens. */
  readonly transports: { readonly home: string; readonly other: string };
}

/** A relay that was made and does not run yet. */
export interface MadeRelay {
  readonly folder: string;
  /** For clients. */
  readonly link: string;
  /** The entry that names where the relay itself listens, for its sibling. */
  readonly ownLink: string;
}

/** One way by which a relay listens. */
export interface RelayWay {
  readonly transport: string;
  readonly port: number;
  /** Where clients find it. */
  readonly reachableAt: string;
  /** What the transport wants to be told, such as `,tls=none`. */
  readonly options?: string;
}

/** Makes a relay that listens by these ways. */
export async function makeRelay(folder: string, ways: readonly RelayWay[]): Promise<MadeRelay> {
  const args = ways.flatMap(({ transport, port, reachableAt, options = '' }) => [
    ...['--listen', `${transport}=127.0.0.1:${port}${options}`],
    ...['--address', `${transport}=${reachableAt}`],
  ]);
  const { code, out, err } = await runRozan(['relay', 'init', '--data', folder, ...args]);
  assert.equal(code, 0, err);
  const opened = await openRelayFolder(folder);
  const ownLink = createEntryLink({ ...opened.config, addresses: [] }, 'default', Date.now());
  opened.close();
  return { folder, link: out.trim(), ownLink };
}

/** Starts a relay that may connect to the origin and nowhere else. */
export async function startRelay(
  { folder, link }: MadeRelay,
  { workers, originPort }: { readonly workers: number; readonly originPort: number },
): Promise<SiblingProgram> {
  const rule = `127.0.0.1/32:${originPort}`;
  const program = await startProgram(['relay', '--data', folder, '--workers', `${workers}`, '--egress-allow', rule]);
  const metric = async (name: string, label = '') => {
    const answer = await fetch(`http://${program.text('metrics')}/metrics`);
    const lines = (await answer.text()).split('\n').filter((line) => new RegExp(`^${name}[ {]`).test(line));
    return lines.filter((line) => line.includes(label)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  return { program, folder, tag: parseServerEntry(parseShareLink(link)).entry.tag, metric };
}

/** Has a relay, whether it runs or not, forward to another one and for it. */
export async function addSibling({ folder }: MadeRelay, { ownLink }: MadeRelay): Promise<void> {
  const args = ['relay', 'siblings', 'add', '-', '--data', folder];
  const { code, err } = await runRozan(args, { input: ownLink });
  assert.equal(code, 0, err);
}

/** Starts them; the client's session is with the home. */
export async function startSiblingPrograms(options: SiblingProgramsOptions): Promise<SiblingPrograms> {
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratchFolder());
  const [homePort, otherPort] = [await freePort(), await freePort()];
  const cutter = stack.use(await createCutter({ target: `127.0.0.1:${homePort}` }));
  const made = {
    home: await makeRelay(join(scratch.path, 'home'), [
      { transport: options.transports.home, port: homePort, reachableAt: cutter.address },
    ]),
    other: await makeRelay(join(scratch.path, 'other'), [
      { transport: options.transports.other, port: otherPort, reachableAt: `127.0.0.1:${otherPort}` },
    ]),
  };
  // One is told before it starts, the other while it runs.
  await addSibling(made.other, made.home);
  const home = await startRelay(made.home, options);
  stack.use(home.program);
  await addSibling(made.home, made.other);
  // The client finds nobody but the home.
  const client = stack.use(await startClient([made.home.link, made.other.link]));
  const other = await startRelay(made.other, options);
  stack.use(other.program);
  const running = stack.move();
  return { home, other, client, cutter, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

function startClient(links: readonly string[]): Promise<Program> {
  const args = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
  return startProgram(args, { input: links.join('\n') });
}

/** Resolves when a condition holds. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const patience = AbortSignal.timeout(PATIENCE_MS);
  while (!(await condition())) {
    assert.ok(!patience.aborted, 'it never came to that');
    await pause(POLL_MS);
  }
}
