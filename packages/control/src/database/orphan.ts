import { execFile } from 'node:child_process';
import { readFile, readlink, realpath, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Env, sleep } from '@rozan/tunnel';

const POLL_MS = 20;
/** How long an orphan may take for each way of being asked to end. */
const PATIENCE_MS = 5_000;
/** Orderly, at once, by force. */
const REQUESTS = ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const;

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Whether the process is a PostgreSQL that runs on `folder`, and not one that has got a dead one's number. */
async function runsOn(pid: number, folder: string): Promise<boolean> {
  if (process.platform === 'linux') {
    const cwd = await readlink(`/proc/${pid}/cwd`).catch(() => null);
    return cwd !== null && cwd === (await realpath(folder));
  }
  const { stdout } = await promisify(execFile)('ps', ['-o', 'comm=', '-p', String(pid)]).catch(() => ({ stdout: '' }));
  return stdout.includes('postgres');
}

/**
 * Ends the PostgreSQL that a killed control plane has left on `folder`, and removes the mark of one that is gone. To be called by whoever holds the
 * lock of the data folder.
 */
export async function endOrphan(env: Env, folder: string): Promise<void> {
  const path = join(folder, 'postmaster.pid');
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = Number(text.split('\n', 1)[0]);
  if (!Number.isInteger(pid) || pid <= 1 || !(await runsOn(pid, folder))) {
    await rm(path, { force: true });
    return;
  }
  const { signal } = new AbortController();
  for (const request of REQUESTS) {
    process.kill(pid, request);
    const untilMs = env.clock.monotonicMs() + PATIENCE_MS;
    while (isAlive(pid) && env.clock.monotonicMs() < untilMs) await sleep(env, POLL_MS, signal);
    if (!isAlive(pid)) break;
  }
  await rm(path, { force: true });
}
