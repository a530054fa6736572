import { spawn } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { constants } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';

const npmScript = 'npm-cli.js';

/** How long npm may take to tidy up when it is told to end. */
const stopMs = 3_000;

/** Settings of an outer npm that would change what an inner one installs, or where, or what it prints. */
const foreignSettings =
  /^npm_config_(?:also|dry_run|global|include|json|location|loglevel|omit|only|package_lock|package_lock_only|prefix|production|workspaces?)$/i;

/**
 * Finds npm: the one that started us, the one beside this Node, or the one on the path.
 *
 * @returns {{command: string, args: string[], shell: boolean} | undefined}
 */
export function findNpm() {
  const started = process.env.npm_execpath;
  const beside = dirname(process.execPath);
  const candidates = [
    started !== undefined && basename(started) === npmScript ? started : undefined,
    join(beside, '..', 'lib', 'node_modules', 'npm', 'bin', npmScript),
    join(beside, 'node_modules', 'npm', 'bin', npmScript),
  ];
  for (const candidate of candidates) {
    if (candidate !== undefined && existsSync(candidate)) return script(candidate);
  }
  return npmOnPath();
}

function script(path) {
  return { command: process.execPath, args: [path], shell: false };
}

function npmOnPath() {
  const isWindows = process.platform === 'win32';
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, isWindows ? 'npm.cmd' : 'npm');
    if (folder === '' || !existsSync(path)) continue;
    const target = realpathSync(path);
    if (basename(target) === npmScript) return script(target);
    return { command: isWindows ? `"${path}"` : path, args: [], shell: isWindows };
  }
  return undefined;
}

/**
 * Runs npm in a folder, everything it prints going to stderr, and ends it when we are told to end.
 *
 * @param {{command: string, args: string[], shell: boolean}} npm
 * @param {string[]} args
 * @param {string} folder
 * @param {{onStart: (pid: number) => void}} options `onStart` is called with npm's pid
 * @returns {Promise<number>} npm's exit code; 1 when a signal ended it
 */
export function runNpm(npm, args, folder, options) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreignSettings.test(name)));
  const child = spawn(npm.command, [...npm.args, ...args], {
    cwd: folder,
    env,
    shell: npm.shell,
    stdio: ['ignore', process.stderr, process.stderr],
    windowsHide: true,
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  if (child.pid !== undefined) options.onStart(child.pid);
  let stoppedBy;
  const stop = (signal) => {
    stoppedBy = signal;
    child.kill(signal);
    setTimeout(() => child.kill('SIGKILL'), stopMs).unref();
  };
  for (const signal of signals) process.on(signal, stop);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve(code ?? 1));
  }).finally(() => {
    for (const signal of signals) process.off(signal, stop);
    if (stoppedBy !== undefined) process.exit(128 + constants.signals[stoppedBy]);
  });
}
