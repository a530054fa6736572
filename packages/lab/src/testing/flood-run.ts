import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseHostPort } from '@rozan/protocol';
import type { Conn } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { type Origin, startOrigin } from '../../../../bench/integrity.mjs';
import { createScratchFolder } from '../world.ts';
import type { FloodOrder, FloodReport } from './flooder.ts';
import { Forked } from './forked.ts';
import { cpuMs, median } from './process-cost.ts';
import { type Program, runRozan, startProgram } from './program.ts';
import { connectBySocks } from './socks-client.ts';

/** How a flood is measured. */
export interface FloodOptions {
  readonly perSecond: number;
  readonly mode: FloodOrder['mode'];
  readonly maxOpen?: number;
  /** Distribution channels of the relay: each costs a hash for each garbage flight. */
  readonly channels?: number;
  /** Windows with the flood, each between two without. */
  readonly windows?: number;
  readonly windowMs?: number;
  /** The download takes no more than this, in MB a second: a line that leaves the machine's cores something to do for others. */
  readonly limitMBps?: number;
  /** How long the relay is flooded with nothing else to do. */
  readonly aloneMs?: number;
}

/** What a flood did. */
export interface FloodFigures {
  /** Goodput with the flood by that without it: the median over the windows, and each. */
  readonly ratio: number;
  readonly ratios: readonly number[];
  readonly quietMBps: number;
  /** Garbage flights a second that were really sent while the download ran. */
  readonly perSecond: number;
  readonly failed: number;
  /** Bytes that any of them was answered with. */
  readonly answered: number;
  readonly mostOpen: number;
  /** Processor time of the relay for each garbage flight, with nothing else to do. */
  readonly cpuMsPerFlight: number;
}

const SETTLE_MS = 300;
const SLACK_MS = 50;

interface Parts {
  readonly relay: Program;
  readonly port: number;
  readonly flooder: Forked;
  readonly download: { bytes: number; end(): void };
}

/** A relay, a client and a flooder, each a program of its own, and a download through them that does not end. */
async function startParts(stack: AsyncDisposableStack, options: FloodOptions): Promise<Parts> {
  const { channels = 1, limitMBps = Number.POSITIVE_INFINITY } = options;
  const folder = join(stack.use(await createScratchFolder()).path, 'relay');
  const names = Array.from({ length: channels - 1 }, (_, index) => ['--channel', `channel-${index}`]).flat();
  const { out, err } = await runRozan([
    ...['relay', 'init', '--data', folder, '--listen', 'opaque=127.0.0.1:0', '--channel', 'default'],
    ...names,
  ]);
  const [link] = /rozan:\S+/.exec(out) ?? [];
  if (link === undefined) throw new Error(`no entry: ${err}`);
  const relay = stack.use(
    await startProgram(['relay', '--data', folder, '--metrics', 'off', '--egress-allow', '127.0.0.1/32']),
  );
  const client = stack.use(
    await startProgram(['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'], { input: link }),
  );
  const origin: Origin = stack.adopt(await startOrigin(), (used) => used.stop());
  const download = { bytes: 0, end: () => {} };
  const target = { host: '127.0.0.1', port: origin.port, as: 'address' } as const;
  const { conn } = await connectBySocks(client.text('socks'), target);
  download.end = () => conn.destroy();
  stack.defer(download.end);
  readAt(conn, limitMBps, (count) => {
    download.bytes += count;
  });
  conn.write('GET /down?position=0&bytes=1000000000000 HTTP/1.1\r\nHost: origin\r\n\r\n');
  const { opaque = '' } = relay.ready.listen as Record<string, string>;
  const flooder = stack.use(new Forked(join(import.meta.dirname, 'flooder.ts')));
  return { relay, port: parseHostPort(opaque).port, flooder, download };
}

/** Reads a connection at a rate, or as fast as it goes. */
function readAt(conn: Conn, limitMBps: number, onBytes: (count: number) => void): void {
  const bytesPerMs = limitMBps * 1000;
  let allowedMs = performance.now();
  conn.on('data', (chunk: Buffer) => {
    onBytes(chunk.length);
    const nowMs = performance.now();
    // What was not used for a moment is made up for, as a line's queue would.
    allowedMs = Math.max(allowedMs, nowMs - SLACK_MS) + chunk.length / bytesPerMs;
    if (allowedMs <= nowMs) return;
    conn.pause();
    setTimeout(() => conn.resume(), allowedMs - nowMs);
  });
}

/** Bytes a millisecond that the download moves in a window. */
async function goodput(download: Parts['download'], windowMs: number): Promise<number> {
  await pause(SETTLE_MS);
  const { bytes } = download;
  const startMs = performance.now();
  await pause(windowMs);
  return (download.bytes - bytes) / (performance.now() - startMs);
}

/** Measures a download through a relay with and without a flood of garbage first flights, in windows that alternate. */
export async function measureFlood(options: FloodOptions): Promise<FloodFigures> {
  const { perSecond, mode, maxOpen = 8000, windows = 3, windowMs = 2000, aloneMs = 3000 } = options;
  await using stack = new AsyncDisposableStack();
  const { relay, port, flooder, download } = await startParts(stack, options);
  const order: FloodOrder = { port, perSecond, mode, maxOpen };
  const ratios: number[] = [];
  const reports: FloodReport[] = [];
  await goodput(download, windowMs); // until windows have grown
  let before = await goodput(download, windowMs);
  const quiet = [before];
  for (let window = 0; window < windows; window += 1) {
    flooder.tell(order);
    const flooded = await goodput(download, windowMs);
    reports.push(await flooder.ask<FloodReport>('report'));
    flooder.tell(null);
    const after = await goodput(download, windowMs);
    ratios.push((2 * flooded) / (before + after));
    quiet.push(after);
    before = after;
  }
  download.end();
  await flooder.ask<FloodReport>('report');
  const startMs = cpuMs(relay.pid);
  flooder.tell(order);
  await pause(aloneMs);
  flooder.tell(null);
  await pause(SETTLE_MS);
  const { sent } = await flooder.ask<FloodReport>('report');
  const cpuMsPerFlight = (cpuMs(relay.pid) - startMs) / sent;
  return { cpuMsPerFlight, ...summary({ ratios, quiet, reports, windowMs }) };
}

function summary(measured: {
  readonly ratios: number[];
  readonly quiet: number[];
  readonly reports: FloodReport[];
  readonly windowMs: number;
}): Omit<FloodFigures, 'cpuMsPerFlight'> {
  const { ratios, quiet, reports, windowMs } = measured;
  const sum = (member: keyof FloodReport): number => reports.reduce((total, report) => total + report[member], 0);
  return {
    ratio: median(ratios),
    ratios,
    quietMBps: median(quiet) / 1000,
    perSecond: (sum('sent') * 1000) / (reports.length * (windowMs + SETTLE_MS)),
    failed: sum('failed'),
    answered: sum('answered'),
    mostOpen: Math.max(...reports.map(({ open }) => open)),
  };
}
