import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
import { createScratchFolder } from '../world.ts';
import type { HolderReport } from './conn-holder.ts';
import { Forked } from './forked.ts';
import { startKnownOrigin } from './known-bytes.ts';
import { ownMemoryBytes } from './process-cost.ts';
import type { RelayProcessOptions, RelayProcessReport } from './relay-process.ts';
import type { FarmOptions, FarmOrder, FarmReport } from './session-farm.ts';

/** How many sessions idle, and for how long. */
export interface IdleOptions {
  readonly sessions: number;
  readonly holdMs: number;
  /** Bytes that each session's stream moves in each direction afterwards. */
  readonly echoBytes: number;
  /** Streams at a time, each of which is a connection more at the relay. */
  readonly streamsAtOnce: number;
  readonly onProgress?: (what: string) => void;
  /** How long making the sessions, and having all of them answer, may take each. */
  readonly patienceMs?: number;
}

/** Memory of one process at the two ends of a measurement; what lies between them is divided by the number of sessions. */
export interface IdleMemory {
  readonly beforeBytes: number;
  readonly heldBytes: number;
  readonly eachBytes: number;
}

/** What came of it. */
export interface IdleFigures {
  readonly openedMs: number;
  readonly relay: IdleMemory;
  readonly client: IdleMemory;
  /** The same when all have answered and rest again. */
  readonly relayAfter: IdleMemory;
  readonly clientAfter: IdleMemory;
  /** The sessions as the relay counts them after the hold. */
  readonly heldSessions: number;
  readonly answeredMs: number;
  /** Sessions that were there after the hold without a new carrier. */
  readonly undisturbed: number;
  /** How the streams ended: `done`, or what was wrong. */
  readonly answers: { readonly [how: string]: number };
}

/** What plain connections cost, which do nothing at all. */
export interface PlainFigures {
  readonly listener: IdleMemory;
  readonly dialler: IdleMemory;
}

const LOOK_MS = 50;
/** The programs have come to rest after so long. */
const SETTLE_MS = 1500;

const here = (name: string): string => join(import.meta.dirname, name);

/** Notes a process's memory now; what it returns tells how it has grown for each of `count`. */
function watchMemory({ pid }: Forked, count: number): () => IdleMemory {
  const beforeBytes = ownMemoryBytes(pid);
  return () => {
    const heldBytes = ownMemoryBytes(pid);
    return { beforeBytes, heldBytes, eachBytes: (heldBytes - beforeBytes) / count };
  };
}

async function tell(farm: Forked, order: FarmOrder, withinMs?: number): Promise<FarmReport> {
  const report = await farm.ask<FarmReport | { failed: string }>(order, withinMs);
  if ('failed' in report) throw new Error(`the farm failed to ${order}: ${report.failed}`);
  return report;
}

/**
 * Holds sessions on which nothing happens, with one carrier each over loopback, and has all of them move bytes after that. The programs
 * get this process's flags, which are those of every program of ours where it was started like one.
 */
export async function holdSessions(options: IdleOptions): Promise<IdleFigures> {
  const { sessions, holdMs, echoBytes, streamsAtOnce, onProgress = () => {}, patienceMs = 300_000 } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await createScratchFolder()).path;
  const relayOptions: RelayProcessOptions = { folder: join(folder, 'relay') };
  const relay = stack.use(new Forked(here('relay-process.ts'), [JSON.stringify(relayOptions)], process.execArgv));
  const { link, port } = await relay.next<{ link: string; port: number }>();
  const origin = stack.use(await startKnownOrigin(createEnv({ log: () => {} }).network));
  const farmOptions: FarmOptions = {
    ...{ link, sessions, streamsAtOnce, originPort: origin.address.port },
    ...{ through: `127.0.0.1:${port}`, upBytes: echoBytes, downBytes: echoBytes },
  };
  const farm = stack.use(new Forked(here('session-farm.ts'), [JSON.stringify(farmOptions)], process.execArgv));
  await tell(farm, 'report');
  await pause(SETTLE_MS);
  const relayMemory = watchMemory(relay, sessions);
  const clientMemory = watchMemory(farm, sessions);

  onProgress(`making ${sessions} sessions`);
  const startMs = performance.now();
  await tell(farm, 'open', patienceMs);
  const openedMs = performance.now() - startMs;
  onProgress(`holding them for ${holdMs / 1000} s`);
  await pause(holdMs);
  const memory = { relay: relayMemory(), client: clientMemory() };
  const { sessions: heldSessions } = await relay.ask<RelayProcessReport>('report');
  const { live, carriersLost } = await tell(farm, 'report');

  onProgress('asking each');
  const { answeredMs, ended } = await ask(farm, sessions, patienceMs);
  await pause(holdMs);
  const after = { relayAfter: relayMemory(), clientAfter: clientMemory() };
  return { openedMs, ...memory, ...after, heldSessions, answeredMs, undisturbed: live - carriersLost, answers: ended };
}

async function ask(farm: Forked, sessions: number, patienceMs: number) {
  const startMs = performance.now();
  const patience = AbortSignal.timeout(patienceMs);
  for (let report = await tell(farm, 'start'); ; report = await tell(farm, 'report')) {
    const over = Object.values(report.ended).reduce((sum, count) => sum + count, 0);
    if (over >= sessions || patience.aborted) return { answeredMs: performance.now() - startMs, ended: report.ended };
    await pause(LOOK_MS);
  }
}

/** Holds as many plain connections between two programs of the same runtime and network: the least that any session could cost. */
export async function holdConns(count: number, holdMs: number): Promise<PlainFigures> {
  await using stack = new AsyncDisposableStack();
  const listener = stack.use(new Forked(here('conn-holder.ts'), [], process.execArgv));
  const place = await listener.next<HolderReport>();
  if (!('port' in place)) throw new Error('the listener told no port');
  const dialler = stack.use(new Forked(here('conn-holder.ts'), [`${place.port}`], process.execArgv));
  await dialler.next();
  await pause(SETTLE_MS);
  const listenerMemory = watchMemory(listener, count);
  const diallerMemory = watchMemory(dialler, count);
  const answer = await dialler.ask<HolderReport>(count);
  if ('failed' in answer) throw new Error(`plain connections: ${answer.failed}`);
  await pause(holdMs);
  return { listener: listenerMemory(), dialler: diallerMemory() };
}
