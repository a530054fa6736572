// Holding a process to a share of one core, by the kernel's CPU quotas (cgroups, version 1 or 2; needs root).
import { appendFileSync, existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Short, so that a process that has used its share stops for milliseconds, not for the usual tenth of a second. */
const PERIOD_US = 10_000;

const VERSION_2 = '/sys/fs/cgroup';
const VERSION_1 = '/sys/fs/cgroup/cpu';

/** What a group's quota is called, and what is written there. */
const dialects = {
  [VERSION_1]: (quotaUs) => ({ 'cpu.cfs_period_us': PERIOD_US, 'cpu.cfs_quota_us': quotaUs }),
  [VERSION_2]: (quotaUs) => ({ 'cpu.max': `${quotaUs} ${PERIOD_US}` }),
};

function findRoot() {
  if (existsSync(join(VERSION_1, 'cpu.cfs_quota_us'))) return VERSION_1;
  if (existsSync(join(VERSION_2, 'cgroup.controllers'))) return VERSION_2;
  throw new Error('CPU quotas need control groups under /sys/fs/cgroup, which are not there');
}

/** Groups of one process each. `release` removes them, which the kernel allows once their processes have ended. */
export class CpuQuota {
  #groups = [];

  /**
   * From now on the process, with all its threads, gets `share` of one core. What it starts later is in its group too.
   *
   * @param {number} pid
   * @param {number} share 0.1 to 1
   */
  hold(pid, share) {
    const root = findRoot();
    const group = join(root, `rozan-bench-${process.pid}-${pid}`);
    mkdirSync(group);
    this.#groups.push(group);
    const settings = dialects[root](Math.round(PERIOD_US * share));
    for (const [file, value] of Object.entries(settings)) writeFileSync(join(group, file), `${value}`);
    appendFileSync(join(group, 'cgroup.procs'), `${pid}`);
  }

  release() {
    for (const group of this.#groups.splice(0)) rmdirSync(group);
  }
}
