import { readFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat a second: USER_HZ, which is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;
const UTIME_FIELD = 11;
const KIB = 1024;

/** Processor time that a process has used, user and system, in milliseconds; NaN where the system does not tell. */
export function cpuMs(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user = 0, system = 0] = fields.slice(UTIME_FIELD, UTIME_FIELD + 2).map(Number);
  return ((user + system) * 1000) / TICKS_PER_SECOND;
}

/**
 * Memory of a process in bytes, where pages that several processes share count in parts (PSS); what the kernel holds for its sockets does
 * not count. NaN where the system does not tell.
 */
export function ownMemoryBytes(pid: number): number {
  if (process.platform !== 'linux') return Number.NaN;
  const [, kib] = /^Pss: *(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1')) ?? [];
  return Number(kib) * KIB;
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
