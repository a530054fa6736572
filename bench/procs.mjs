// What the kernel says of processes and everything they started: CPU time and memory.
import { readdirSync, readFileSync } from 'node:fs';

/** Ticks of /proc/PID/stat a second: USER_HZ, which is 100 on every Linux Node runs on. */
const TICKS_PER_SECOND = 100;

function read(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // the process has ended
  }
}

function stat(pid) {
  const text = read(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [utime, stime, cutime, cstime] = fields.slice(11, 15).map(Number);
  return { parent: Number(fields[1]), ticks: utime + stime + cutime + cstime };
}

/** The given processes and all their living descendants. */
export function family(pids) {
  const children = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const parent = stat(name)?.parent;
    if (parent === undefined) continue;
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(Number(name));
  }
  const found = new Set();
  const queue = [...pids];
  while (queue.length > 0) {
    const pid = queue.pop();
    if (found.has(pid)) continue;
    found.add(pid);
    queue.push(...(children.get(pid) ?? []));
  }
  return [...found];
}

/** CPU seconds, user and system, of the processes, their threads and their children, also ended ones. */
export function cpuSeconds(pids) {
  let ticks = 0;
  for (const pid of family(pids)) ticks += stat(pid)?.ticks ?? 0;
  return ticks / TICKS_PER_SECOND;
}

/** Resident memory in KiB, summed: `rss` counts shared pages in each process, `pss` once in all. */
export function memory(pids) {
  const sum = { rss: 0, pss: 0 };
  for (const pid of family(pids)) {
    const text = read(`/proc/${pid}/smaps_rollup`) ?? '';
    sum.rss += Number(/^Rss: *(\d+)/m.exec(text)?.[1] ?? 0);
    sum.pss += Number(/^Pss: *(\d+)/m.exec(text)?.[1] ?? 0);
  }
  return sum;
}
