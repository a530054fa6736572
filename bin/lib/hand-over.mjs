import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { isOwnNode } from './runtime.mjs';

const forwardedSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'];

const nodeFlags = [
  // A small young generation: most of what a stream leaves there is garbage, and with Node's own size the memory that a
  // thousand idle streams cost is mostly that. It has this size from the start, since V8 lets it grow only when much survives:
  // at 1 to 2 MB it was collected every 25 new streams, which took a sixth of their time.
  '--min-semi-space-size=4',
  '--max-semi-space-size=4',
  // The old generation may grow to 30 MB before it is first collected. Of itself V8 keeps the limit of a heap of 14 MB so close
  // above it that what a fast transfer leaves there has it marked ten times a second, on a core of its own.
  '--initial-old-space-size=30',
];

/** Whether this process runs with the flags that a program gets. */
export function hasNodeFlags() {
  return nodeFlags.every((flag) => process.execArgv.includes(flag));
}

/**
 * Goes on as another program with the same input, output and environment. Where the system can replace a process by
 * another the pid stays the same; elsewhere the other one runs as a child, gets our signals, and its end is ours.
 *
 * @param {string} file the program, an absolute path
 * @param {string[]} args
 * @returns {Promise<void>} resolves, if at all, when the child has ended and process.exitCode says how
 */
export function handOver(file, args) {
  // Name look-ups of the system's resolver hold one thread each; the default of 4 lets a few slow ones stall all.
  const environment = { UV_THREADPOOL_SIZE: '32', ...process.env };
  // Flags of another Node may mean nothing to ours.
  const flags = isOwnNode() ? [...nodeFlags, ...process.execArgv] : nodeFlags;
  if (process.platform !== 'win32' && typeof process.execve === 'function') {
    process.execve(file, [file, ...flags, ...args], environment);
  }
  const child = spawn(file, [...flags, ...args], { stdio: 'inherit', windowsHide: true, env: environment });
  const forward = (signal) => child.kill(signal);
  for (const signal of forwardedSignals) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => {
      for (const name of forwardedSignals) process.off(name, forward);
      process.exitCode = code ?? 128 + (constants.signals[signal] ?? 0);
      resolve();
    });
  });
}
