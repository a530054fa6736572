import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { root } from './runtime.mjs';

const updateTimeoutMs = 120_000;
const installTimeoutMs = 900_000;
const aptOptions = [
  '-qq',
  '-o',
  'Acquire::Retries=1',
  '-o',
  'Acquire::http::Timeout=20',
  '-o',
  'Acquire::https::Timeout=20',
  '-o',
  'DPkg::Lock::Timeout=120',
];

/**
 * Installs the Debian packages that tests want, as far as that can be done: as root, with apt. A package that would
 * start a service is left alone where a service manager runs: on such a machine that is for its owner to decide.
 *
 * @param {(text: string) => void} report gets one line for each thing a person should know
 */
export function ensureDebianPackages(report) {
  const missing = missingPackages();
  if (missing.length === 0) return;
  const names = missing.map(({ name }) => name);
  const reason = whyNot();
  if (reason !== undefined) {
    report(`tests that need ${names.join(', ')} will be skipped: ${reason}`);
    return;
  }
  const isManaged = existsSync('/run/systemd/system');
  const wanted = missing.filter(({ isService }) => !(isService && isManaged)).map(({ name }) => name);
  if (wanted.length > 0) {
    report(`installing ${wanted.join(', ')} for the tests…`);
    apt(['update'], updateTimeoutMs);
    apt(['install', '-y', '--no-install-recommends', ...wanted], installTimeoutMs);
  }
  const still = missingPackages().map(({ name }) => name);
  if (still.length === 0) return;
  report(
    `could not install ${still.join(', ')}: tests that need them will be skipped. By hand: apt-get install ${still.join(' ')}`,
  );
}

function missingPackages() {
  const packages = JSON.parse(readFileSync(join(root, 'test', 'debian-packages.json'), 'utf8'));
  return packages.filter(({ command, file }) => !(file === undefined ? hasCommand(command) : existsSync(file)));
}

function hasCommand(command) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, command)));
}

function whyNot() {
  if (process.platform !== 'linux' || !existsSync('/usr/bin/apt-get'))
    return 'they are not on this machine, and it has no apt';
  if (process.getuid() !== 0) return 'they are not on this machine, and only root can install them';
  if (process.env.ROZAN_NO_APT) return 'they are not on this machine, and ROZAN_NO_APT is set';
  return undefined;
}

function apt(args, timeoutMs) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const result = spawnSync('apt-get', [...aptOptions, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs,
    encoding: 'utf8',
  });
  if (result.status !== 0) process.stderr.write(result.stderr ?? '');
}
