import assert from 'node:assert/strict';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { type Cutter, createCutter } from '../../../../bench/cutter-core.mjs';
import { createScratchFolder } from '../world.ts';
import { type Program, runRozan, startProgram } from './program.ts';

const POLL_MS = 50;
const PATIENCE_MS = 30_000;

/** What `rozan relay status --json` says. */
export interface WorkersStatus {
  readonly sessions: number;
  readonly detachedSessions: number;
  readonly streams: number;
  readonly draining: boolean;
  readonly sessionsByWorker: readonly (number | null)[];
}

/** A relay of several workers as a program, behind a cutter, with clients. Disposing it ends all of it. */
export interface WorkerRelay extends AsyncDisposable {
  readonly program: Program;
  readonly folder: string;
  /** The relay's entry; it names the cutter. */
  readonly link: string;
  readonly cutter: Cutter;
  /** Where the relay itself listens. */
  readonly address: { readonly host: string; readonly port: number };
  startClient(): Promise<Program>;
  status(): Promise<WorkersStatus>;
  /** The first status of which `matches` says so. */
  waitForStatus(matches: (status: WorkersStatus) => boolean): Promise<WorkersStatus>;
  /** The value of a metric, over all its labels. */
  metric(name: string): Promise<number>;
}

/** A port of loopback that nothing listens on just now. */
export async function freePort(): Promise<number> {
  const { network } = createEnv({ log: () => {} });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.destroy());
  await listener.close();
  return listener.address.port;
}

/** Starts a relay with so many workers. */
export async function startWorkerRelay(workers: number, egressPort: number): Promise<WorkerRelay> {
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratchFolder());
  const folder = join(scratch.path, 'relay');
  const address = { host: '127.0.0.1', port: await freePort() };
  const place = `127.0.0.1:${address.port}`;
  const cutter = stack.use(await createCutter({ target: place }));
  const init = ['--listen', `opaque=${place}`, '--address', `opaque=${cutter.address}`];
  const made = await runRozan(['relay', 'init', '--data', folder, ...init]);
  assert.equal(made.code, 0, made.err);
  const link = made.out.trim();
  const rule = `127.0.0.1/32:${egressPort}`;
  const program = stack.use(
    await startProgram(['relay', '--data', folder, '--workers', String(workers), '--egress-allow', rule]),
  );
  const status = async (): Promise<WorkersStatus> => {
    const { code, out, err } = await runRozan(['relay', 'status', '--data', folder, '--json']);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const running = stack.move();
  return {
    program,
    folder,
    link,
    cutter,
    address,
    startClient: async () => {
      const args = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
      return running.use(await startProgram(args, { input: link }));
    },
    status,
    waitForStatus: async (matches) => {
      const patience = AbortSignal.timeout(PATIENCE_MS);
      for (;;) {
        const now = await status();
        if (matches(now)) return now;
        assert.ok(!patience.aborted, `it stays at ${JSON.stringify(now)}`);
        await pause(POLL_MS);
      }
    },
    metric: async (name) => {
      const answer = await fetch(`http://${program.text('metrics')}/metrics`);
      const lines = (await answer.text()).split('\n').filter((line) => new RegExp(`^${name}[ {]`).test(line));
      assert.ok(lines.length > 0, `there is no metric ${name}`);
      return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
