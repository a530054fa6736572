import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { type Program, runRozan, startProgram } from './program.ts';

/** A relay that is run as a program of its own, and can be started again. */
export interface RelayProgram extends AsyncDisposable {
  readonly folder: string;
  readonly link: string;
  /** What events call it. */
  readonly tag: string;
  /** The one that runs now. */
  readonly program: Program;
  /** Ends what runs, by SIGTERM or as told, and starts the relay again on its folder. */
  restart(signal?: NodeJS.Signals): Promise<void>;
}

/** Relays and a client as programs of their own. Disposing ends them all, and asserts that nothing is left. */
export interface RelayNetwork extends AsyncDisposable {
  readonly relays: readonly RelayProgram[];
  readonly client: Program;
}

/** How a network is made. */
export interface RelayNetworkOptions {
  readonly relays?: number;
  /** The relays' `--egress-allow`. */
  readonly egressAllow?: readonly string[];
  readonly clientArgs?: readonly string[];
}

/** Makes a relay in `folder` at a free port of loopback; returns its entry. */
export async function initRelay(folder: string): Promise<string> {
  const { code, out, err } = await runRozan(['relay', 'init', '--data', folder, '--listen', 'opaque=127.0.0.1:0']);
  assert.equal(code, 0, err);
  return out.trim();
}

async function startRelay(folder: string, egressAllow: readonly string[]): Promise<RelayProgram> {
  const link = await initRelay(folder);
  const rules = egressAllow.flatMap((rule) => ['--egress-allow', rule]);
  const args = ['relay', '--data', folder, '--metrics', 'off', ...rules];
  let program = await startProgram(args);
  return {
    folder,
    link,
    tag: parseServerEntry(parseShareLink(link)).entry.tag,
    get program() {
      return program;
    },
    restart: async (signal) => {
      await program.stop(signal);
      program = await startProgram(args);
    },
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}

/** Starts relays, and a client that knows them in their order. */
export async function startRelayNetwork(options: RelayNetworkOptions = {}): Promise<RelayNetwork> {
  const { relays: count = 1, egressAllow = [], clientArgs = [] } = options;
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const relays: RelayProgram[] = [];
  for (let number = 1; number <= count; number++) {
    relays.push(stack.use(await startRelay(join(folder, `relay-${number}`), egressAllow)));
  }
  const input = relays.map(({ link }) => link).join('\n');
  const args = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', ...clientArgs];
  const client = stack.use(await startProgram(args, { input }));
  const running = stack.move();
  return { relays, client, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
