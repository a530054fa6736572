import { setTimeout as pause } from 'node:timers/promises';
import { createEnv, type DatagramSocket } from '@rozan/tunnel';
import { startCutNetwork } from './cut-network.ts';
import { cpuMs } from './process-cost.ts';
import type { Program } from './program.ts';
import { openAssociation } from './udp-association.ts';

/** A stream of datagrams to measure. */
export interface UdpRunOptions {
  /** Payload in each direction, Mbit/s. */
  readonly mbps: number;
  readonly seconds: number;
  /** Payload of a datagram; at least 8. */
  readonly datagramBytes: number;
  /** Each carrier is cut at this age; 0: never. */
  readonly cutAfterMs: number;
}

/** What became of the stream. Shares are of the datagrams that were sent. */
export interface UdpFigures {
  readonly sent: number;
  /** What was really sent, Mbit/s of payload. */
  readonly sentMbps: number;
  readonly cuts: number;
  /** Lost on the way to the site. */
  readonly lostUp: number;
  /** Lost there or on the way back. */
  readonly lost: number;
  /** Lost although they were not sent around a cut. */
  readonly lostElsewhere: number;
  /** Datagrams that came twice. */
  readonly doubled: number;
  /** Datagrams that came with other bytes than were sent. */
  readonly wrong: number;
  readonly roundTripMs: { readonly median: number; readonly p99: number };
  /** Processor time for each 1000 datagrams that were sent, there and back, in milliseconds. */
  readonly cpuMsPer1000: { readonly client: number; readonly relay: number };
}

/** A datagram begins with its number, and the rest follows from that. */
const NUMBER_BYTES = 4;
const TICK_MS = 2;
/** What was sent so long before a cut may have been on its way, and what was sent so long after it found no carrier yet. */
const BEFORE_CUT_MS = 400;
const AFTER_CUT_MS = 1000;
const SETTLE_MS = 1500;

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function quantile(sorted: readonly number[], at: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(at * sorted.length))] ?? Number.NaN;
}

/** Calls `send` at an even rate, with the number of each datagram. Resolves with how many there were. */
async function pace(options: UdpRunOptions, send: (number: number) => void): Promise<number> {
  const perMs = (options.mbps * 1000) / 8 / options.datagramBytes;
  const startMs = performance.now();
  let sent = 0;
  for (;;) {
    const elapsedMs = Math.min(performance.now() - startMs, options.seconds * 1000);
    for (; sent < elapsedMs * perMs; sent += 1) send(sent);
    if (elapsedMs >= options.seconds * 1000) return sent;
    await pause(TICK_MS);
  }
}

/** A site that sends every datagram back, and whom it has heard. */
async function startEcho(): Promise<{ socket: DatagramSocket; heard: Set<number> }> {
  const { network } = createEnv({ log: () => {} });
  const heard = new Set<number>();
  const socket = await network.bindDatagrams({ host: '127.0.0.1', port: 0 }, (bytes, from) => {
    if (bytes.length >= NUMBER_BYTES) heard.add(bytes.readUInt32BE(0));
    socket.send(bytes, from);
  });
  return { socket, heard };
}

/** Processor time of a program and of the processes that it has started. */
function cpuOf(program: Program): number {
  return [program.pid, ...program.children()].reduce((sum, pid) => sum + cpuMs(pid), 0);
}

/** Sends a stream of datagrams through relay and client to a site that sends it back, while carriers are cut. */
export async function measureUdp(options: UdpRunOptions): Promise<UdpFigures> {
  await using stack = new AsyncDisposableStack();
  const { socket: site, heard } = await startEcho();
  stack.defer(() => site.close());
  const cutsMs: number[] = [];
  const { relay, client } = stack.use(
    await startCutNetwork({
      egressAllow: `127.0.0.1/32:${site.address.port}`,
      cutAfterMs: options.cutAfterMs,
      onCut: () => cutsMs.push(performance.now()),
    }),
  );
  const sentAtMs: number[] = [];
  const roundTripsMs = new Map<number, number>();
  let doubled = 0;
  let wrong = 0;
  const association = stack.use(
    await openAssociation(client.text('socks'), (_from, bytes) => {
      const number = bytes.readUInt32BE(0);
      if (roundTripsMs.has(number)) doubled += 1;
      if (bytes.length !== options.datagramBytes || bytes.at(-1) !== number % 251) wrong += 1;
      roundTripsMs.set(number, performance.now() - (sentAtMs[number] ?? 0));
    }),
  );
  const target = { host: '127.0.0.1', port: site.address.port, as: 'address' } as const;
  const startMs = performance.now();
  const cpuBefore = { client: cpuOf(client), relay: cpuOf(relay) };
  const sent = await pace(options, (number) => {
    const bytes = Buffer.alloc(options.datagramBytes, number % 251);
    bytes.writeUInt32BE(number, 0);
    sentAtMs.push(performance.now());
    association.send(target, bytes);
  });
  const elapsedMs = performance.now() - startMs;
  await pause(SETTLE_MS);
  const isNearCut = (atMs: number) =>
    cutsMs.some((cutMs) => atMs > cutMs - BEFORE_CUT_MS && atMs < cutMs + AFTER_CUT_MS);
  const lost = sentAtMs.filter((_, number) => !roundTripsMs.has(number));
  const sorted = [...roundTripsMs.values()].sort((a, b) => a - b);
  return {
    sent,
    sentMbps: (8 * sent * options.datagramBytes) / 1000 / elapsedMs,
    cuts: cutsMs.filter((atMs) => atMs > startMs && atMs < startMs + elapsedMs).length,
    lostUp: share(sent - heard.size, sent),
    lost: share(lost.length, sent),
    lostElsewhere: share(lost.filter((atMs) => !isNearCut(atMs)).length, sent),
    doubled,
    wrong,
    roundTripMs: { median: quantile(sorted, 0.5), p99: quantile(sorted, 0.99) },
    cpuMsPer1000: {
      client: (1000 * (cpuOf(client) - cpuBefore.client)) / sent,
      relay: (1000 * (cpuOf(relay) - cpuBefore.relay)) / sent,
    },
  };
}
