import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const pollMs = 200;
const heartbeatMs = 5_000;
/** A holder that has not touched its lock for so long is taken for dead, whatever its pid says. */
const staleMs = 120_000;
/** How long the moment between making the folder and naming its owner may last. */
const namelessMs = 10_000;

/**
 * Runs `work` while holding `path`, a folder: making one is atomic everywhere, on network file systems too. Waits for
 * another holder, and takes over from one that died.
 *
 * @template T
 * @param {string} path the folder, which must not hold anything else
 * @param {() => void} onWait called once if somebody else holds the lock
 * @param {(addHolder: (pid: number) => void) => Promise<T>} work may name a child of its own as another holder: if we are
 *   killed, the lock is held for as long as that child goes on
 * @returns {Promise<T>}
 */
export async function withDirectoryLock(path, onWait, work) {
  const id = randomUUID();
  let told = false;
  while (!tryTake(path, id)) {
    if (isStale(path)) {
      discard(path);
      continue;
    }
    if (!told) onWait();
    told = true;
    await delay(pollMs);
  }
  const release = () => {
    if (readOwner(path)?.id === id) rmSync(path, { recursive: true, force: true });
  };
  const heartbeat = setInterval(() => touch(path), heartbeatMs);
  heartbeat.unref();
  process.on('exit', release);
  try {
    return await work((pid) => writeOwner(path, id, [process.pid, pid]));
  } finally {
    clearInterval(heartbeat);
    process.off('exit', release);
    release();
  }
}

function tryTake(path, id) {
  try {
    mkdirSync(path);
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
  writeOwner(path, id, [process.pid]);
  return true;
}

function writeOwner(path, id, pids) {
  writeFileSync(join(path, 'owner.json.new'), JSON.stringify({ id, pids, host: hostname() }));
  renameSync(join(path, 'owner.json.new'), join(path, 'owner.json'));
}

function readOwner(path) {
  try {
    return JSON.parse(readFileSync(join(path, 'owner.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

function ageMs(path) {
  try {
    return Date.now() - statSync(path).mtimeMs;
  } catch {
    return 0;
  }
}

function isStale(path) {
  const owner = readOwner(path);
  if (owner === undefined) return ageMs(path) > namelessMs;
  return ageMs(path) > staleMs || (owner.host === hostname() && !owner.pids.some(isAlive));
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Moves the dead lock aside, which only one of several waiters can do; a live one caught by mistake goes back. */
function discard(path) {
  const aside = `${path}.${randomUUID()}`;
  try {
    renameSync(path, aside);
    if (isStale(aside)) rmSync(aside, { recursive: true, force: true });
    else renameSync(aside, path);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
}

function touch(path) {
  try {
    const now = new Date();
    utimesSync(path, now, now);
  } catch {
    // The lock was taken away while this machine slept; npm's own result decides what happens next.
  }
}
