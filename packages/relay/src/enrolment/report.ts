import { cpus } from 'node:os';
import type { MetricsSource } from '../metrics/metrics-server.ts';
import type { RelayStatus } from '../relay-core.ts';

/** What a relay says of itself each minute (docs/spec/enrolment.md §4): how it is, and sums over everybody. Nothing of any one user. */
export interface RelayReport {
  readonly settingsVersion: number;
  readonly programVersion: string;
  readonly uptimeSeconds: number;
  /** 0 to 1 of all cores of the machine, since the report before. */
  readonly cpuShare: number;
  readonly memoryBytes: number;
  readonly sessionsLive: number;
  readonly sessionsDetached: number;
  readonly streams: number;
  readonly strangers: number;
  /** Since it was started. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly isDraining: boolean;
}

/** Processor time of the machine so far, in ms: what was used, and all there was. */
export interface CpuTimes {
  readonly busyMs: number;
  readonly allMs: number;
}

/** Reads it. */
export function readCpuTimes(): CpuTimes {
  const times = cpus().map(({ times: { user, nice, sys, idle, irq } }) => ({ busy: user + nice + sys + irq, idle }));
  const busyMs = times.reduce((sum, { busy }) => sum + busy, 0);
  return { busyMs, allMs: busyMs + times.reduce((sum, { idle }) => sum + idle, 0) };
}

/** Which share of the processor was used between two moments, 0 to 1. */
export function cpuShare(before: CpuTimes, after: CpuTimes): number {
  const allMs = after.allMs - before.allMs;
  return allMs <= 0 ? 0 : Math.min(1, Math.max(0, (after.busyMs - before.busyMs) / allMs));
}

/** The sum of a metric's values in Prometheus' text, of those series whose labels hold the text. */
export function sumOf(text: string, name: string, label = ''): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => line.includes(label))
    .reduce((sum, line) => sum + (Number(line.slice(line.lastIndexOf(' ') + 1)) || 0), 0);
}

/** Makes a report of what a relay shows of itself. */
export async function makeReport(
  source: { readonly metrics: MetricsSource; readonly status: RelayStatus },
  rest: Pick<RelayReport, 'settingsVersion' | 'programVersion' | 'uptimeSeconds' | 'cpuShare'>,
): Promise<RelayReport> {
  const { status } = source;
  const text = await source.metrics.text();
  const whole = (value: number) => Math.max(0, Math.round(value));
  const bytes = (direction: string) => whole(sumOf(text, 'rozan_relay_stream_bytes_total', `direction="${direction}"`));
  return {
    ...rest,
    uptimeSeconds: whole(rest.uptimeSeconds),
    memoryBytes: whole(sumOf(text, 'process_resident_memory_bytes')),
    sessionsLive: Math.max(0, status.sessions - status.detachedSessions),
    sessionsDetached: status.detachedSessions,
    streams: status.streams,
    strangers: status.strangers,
    bytesUp: bytes('up'),
    bytesDown: bytes('down'),
    isDraining: status.draining,
  };
}
