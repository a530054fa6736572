import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withDirectoryLock } from './directory-lock.mjs';
import { findNpm, runNpm } from './npm.mjs';
import { ownNode, platform, root } from './runtime.mjs';

const stampPath = join(root, 'node_modules', '.rozan-stamp');
const lockPath = join(root, '.rozan-install');

/** Louder than the silence .npmrc asks for, and quicker to say that there is no network than npm's own settings. */
const npmOptions = [
  '--loglevel=error',
  '--ignore-scripts',
  '--include=dev',
  '--include=optional',
  '--no-progress',
  '--no-audit',
  '--no-fund',
  '--fetch-retries=3',
  '--fetch-retry-mintimeout=1000',
  '--fetch-retry-maxtimeout=10000',
];

/** An installation that did not work out, said in words for the person at the keyboard. */
class InstallError extends Error {}

/**
 * Makes node_modules what package-lock.json says, unless it is that already. Safe to call from several programs at once.
 *
 * @returns {Promise<string>} the path of our own Node
 * @throws {Error} with a sentence that says what to do
 */
export async function ensureInstalled() {
  const node = ownNode();
  const stamp = expectedStamp();
  if (isInstalled(node, stamp)) return node;
  try {
    await withDirectoryLock(
      lockPath,
      () => say('another Rozan is installing its packages; waiting for it…'),
      async (onStart) => {
        if (!isInstalled(node, stamp)) await install(node, stamp, { onStart });
      },
    );
  } catch (error) {
    if (error.code !== 'EACCES' && error.code !== 'EPERM' && error.code !== 'EROFS') throw error;
    throw new InstallError(
      `the packages have to be installed and ${root} cannot be written by this user. ` +
        'Run the command once as the owner of that folder.',
      { cause: error },
    );
  }
  return node;
}

/** Says something to the person, on stderr: stdout belongs to the programs. */
export function say(text) {
  process.stderr.write(`rozan: ${text}\n`);
}

function expectedStamp() {
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8').replaceAll('\r\n', '\n');
  return createHash('sha256').update(`${platform}\n${lock}`).digest('hex');
}

function isInstalled(node, stamp) {
  try {
    return readFileSync(stampPath, 'utf8') === stamp && existsSync(node);
  } catch {
    return false;
  }
}

async function install(node, stamp, options) {
  const npm = findNpm();
  if (npm === undefined) {
    throw new InstallError(
      'npm was not found. It comes with Node (on Debian: apt-get install npm); then run this again.',
    );
  }
  const startedAt = Date.now();
  say('installing packages into node_modules (once; about a minute)…');
  rmSync(stampPath, { force: true });
  await npmOrThrow(npm, ['ci', ...npmOptions], options);
  checkNode(node);
  if (leavesOptionalOut()) {
    // npm skips optional packages that refuse the Node it runs on; under ours none does.
    await npmOrThrow(
      { ...npm, command: npm.shell ? npm.command : node },
      ['install', '--no-save', ...npmOptions],
      options,
    );
  }
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  writeFileSync(`${stampPath}.new`, stamp);
  renameSync(`${stampPath}.new`, stampPath);
  say(`installed in ${Math.ceil((Date.now() - startedAt) / 1000)} s`);
}

async function npmOrThrow(npm, args, options) {
  const code = await runNpm(npm, args, root, options);
  if (code === 0) return;
  throw new InstallError(
    `npm ${args[0]} failed with exit code ${code}; what it said is above. If this machine has no network, connect it and run ` +
      'the same command again: after that one time none is needed. `npm ping` shows whether npm reaches its registry.',
  );
}

function leavesOptionalOut() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  return (major === 20 && minor < 19) || major === 21 || (major === 22 && minor < 12);
}

function checkNode(node) {
  const result = spawnSync(node, ['--version'], { stdio: 'ignore' });
  if (result.status === 0) return;
  const why = result.error?.message ?? `it ended with ${result.signal ?? result.status}`;
  throw new InstallError(`the Node that was installed for ${platform} does not run on this machine (${why})`);
}
