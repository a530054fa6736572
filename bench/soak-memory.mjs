// The memory of programs over a long time: samples, a verdict whether it is flat, a drawing for the terminal.
import { readdirSync } from 'node:fs';
import { family, memory } from './procs.mjs';
import { median } from './statistics.mjs';

const BARS = '▁▂▃▄▅▆▇█';
const COLUMNS = 60;
const MIB = 1024;

function openFiles(pids) {
  try {
    return family(pids).reduce((sum, pid) => sum + readdirSync(`/proc/${pid}/fd`).length, 0);
  } catch {
    return 0; // a process has just ended
  }
}

/** Samples the memory (PSS, all processes of a program together) and open files of programs, by name. */
export class MemoryRecord {
  /** Of each program: seconds since the start, MiB, open files. */
  samples = {};
  #pids;
  #timer;
  #start = performance.now();

  constructor(pids, everyMs) {
    this.#pids = pids;
    for (const name of Object.keys(pids)) this.samples[name] = [];
    this.#timer = setInterval(() => this.#look(), everyMs);
  }

  #look() {
    const seconds = (performance.now() - this.#start) / 1000;
    for (const [name, pid] of Object.entries(this.#pids)) {
      const mib = memory([pid]).pss / MIB;
      if (mib > 0) this.samples[name].push({ seconds, mib, files: openFiles([pid]) });
    }
  }

  /** The latest sample of a program. */
  latest(name) {
    return this.samples[name].at(-1) ?? { seconds: 0, mib: 0, files: 0 };
  }

  stop() {
    clearInterval(this.#timer);
  }
}

/**
 * Whether memory is flat: of the samples from `warmUpSeconds` on, the median of the last third is above that of the first by no more than
 * the share `mostGrowth`.
 */
export function judge(samples, { warmUpSeconds, mostGrowth }) {
  const warm = samples.filter(({ seconds }) => seconds >= warmUpSeconds);
  const third = Math.max(1, Math.floor(warm.length / 3));
  const of = (list, field) => median(list.map((sample) => sample[field]));
  const firstMiB = of(warm.slice(0, third), 'mib');
  const lastMiB = of(warm.slice(-third), 'mib');
  return {
    firstMiB: Math.round(firstMiB),
    lastMiB: Math.round(lastMiB),
    mostMiB: Math.round(Math.max(...samples.map(({ mib }) => mib))),
    growth: lastMiB / firstMiB - 1,
    firstFiles: of(warm.slice(0, third), 'files'),
    lastFiles: of(warm.slice(-third), 'files'),
    isFlat: lastMiB <= firstMiB * (1 + mostGrowth),
  };
}

/** A line of bars, each the mean of as many samples, from nothing to the most. */
export function sparkline(numbers) {
  const most = Math.max(...numbers);
  const columns = Math.min(COLUMNS, numbers.length);
  const means = Array.from({ length: columns }, (_, column) => {
    const part = numbers.slice(
      Math.floor((column * numbers.length) / columns),
      Math.floor(((column + 1) * numbers.length) / columns),
    );
    return part.reduce((sum, number) => sum + number, 0) / part.length;
  });
  return means.map((mean) => BARS[Math.min(BARS.length - 1, Math.floor((mean / most) * BARS.length))]).join('');
}
