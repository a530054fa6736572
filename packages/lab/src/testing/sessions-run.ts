import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { type CutWay, createCutter } from '../../../../bench/cutter-core.mjs';
import { createScratchFolder } from '../world.ts';
import { Forked } from './forked.ts';
import { startKnownOrigin } from './known-bytes.ts';
import type { RelayProcessOptions, RelayProcessReport } from './relay-process.ts';
import type { FarmOptions, FarmOrder, FarmReport } from './session-farm.ts';

/** How many sessions are cut, and in what they are cut off. */
export interface SessionsOptions {
  readonly sessions: number;
  /** Bytes that each session's stream moves. */
  readonly upBytes: number;
  readonly downBytes: number;
  /** The line of all carriers together. */
  readonly lineKbps: number;
  readonly how?: CutWay;
  /** After the cut, how long the relay cannot be reached. */
  readonly outageMs?: number;
  readonly machineBytes?: number;
  /** How long everything may take from the cut on. */
  readonly patienceMs?: number;
}

/** What came of it. */
export interface SessionsFigures {
  /** When the sessions were made and nothing was moved yet. */
  readonly idle: RelayProcessReport;
  readonly atCut: FarmReport;
  /** From the cut, or the end of the outage behind it, until every session was live again or over. */
  readonly backMs: number;
  /** From the cut until every stream had ended. */
  readonly doneMs: number;
  readonly farm: FarmReport;
  readonly relay: RelayProcessReport;
}

const LOOK_MS = 50;
/** The cut comes when so much of all bytes has arrived. */
const CUT_SHARE = 0.2;

const here = (name: string): string => join(import.meta.dirname, name);

async function until(farm: Forked, patienceMs: number, isSo: (report: FarmReport) => boolean): Promise<FarmReport> {
  const patience = AbortSignal.timeout(patienceMs);
  for (;;) {
    const report = await tell(farm, 'report');
    if (isSo(report)) return report;
    if (patience.aborted) throw new Error(`nothing more happens: ${JSON.stringify(report)}`);
    await pause(LOOK_MS);
  }
}

async function tell(farm: Forked, order: FarmOrder): Promise<FarmReport> {
  const report = await farm.ask<FarmReport | { failed: string }>(order);
  if ('failed' in report) throw new Error(`the farm failed to ${order}: ${report.failed}`);
  return report;
}

/** How often the relay is asked while its books settle. */
const REPORT_MS = 200;

/** Makes sessions that are all busy, cuts their carriers at once, and waits for what becomes of them. */
export async function cutSessions(options: SessionsOptions): Promise<SessionsFigures> {
  const {
    sessions,
    upBytes,
    downBytes,
    lineKbps,
    how = 'rst',
    outageMs = 0,
    machineBytes,
    patienceMs = 60_000,
  } = options;
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await createScratchFolder()).path;
  const relayOptions: RelayProcessOptions = { folder: join(folder, 'relay'), machineBytes };
  const relay = stack.use(new Forked(here('relay-process.ts'), [JSON.stringify(relayOptions)]));
  const { link, port } = await relay.next<{ link: string; port: number }>();
  const origin = stack.use(await startKnownOrigin(createEnv({ log: () => {} }).network));
  const cutter = stack.use(await createCutter({ target: `127.0.0.1:${port}`, how, lineKbps }));
  const originPort = origin.address.port;
  const farmOptions: FarmOptions = { link, through: cutter.address, sessions, originPort, upBytes, downBytes };
  const farm = stack.use(new Forked(here('session-farm.ts'), [JSON.stringify(farmOptions)]));

  await tell(farm, 'open');
  const idle = await relay.ask<RelayProcessReport>('report');
  await tell(farm, 'start');
  const cutAtBytes = CUT_SHARE * sessions * downBytes;
  const atCut = await until(farm, patienceMs, ({ receivedBytes }) => receivedBytes >= cutAtBytes);
  const cutMs = performance.now();
  cutter.cutAll();
  if (outageMs > 0) {
    await cutter.outage(true);
    await pause(outageMs);
    await cutter.outage(false);
  }
  const endedMs = performance.now();
  await until(farm, patienceMs, ({ carriersLost, detached }) => carriersLost >= atCut.live && detached === 0);
  const backMs = performance.now() - endedMs;
  const last = await until(farm, patienceMs, ({ busy }) => busy === 0);
  const doneMs = performance.now() - cutMs;
  return { idle, atCut, backMs, doneMs, farm: last, relay: await settledReport(relay, patienceMs) };
}

/** The relay's report once the last acknowledgements have arrived, or its last word when that takes too long. */
async function settledReport(relay: Forked, patienceMs: number): Promise<RelayProcessReport> {
  const patience = AbortSignal.timeout(patienceMs);
  for (;;) {
    const report = await relay.ask<RelayProcessReport>('report');
    if (report.heldBytes === 0 || patience.aborted) return report;
    await pause(REPORT_MS);
  }
}
