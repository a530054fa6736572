import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { handOver, hasNodeFlags } from './hand-over.mjs';
import { ensureInstalled, say } from './install.mjs';
import { endWithParent } from './parent.mjs';
import { isBun, isOwnNode, root } from './runtime.mjs';

/** How long a program that has said its exit code may take to let go of what it holds. */
const lingerMs = 3_000;

/**
 * Installs what is missing and goes on with `run` under our own Node.
 *
 * @param {string} script the program in bin/ that is running, an absolute path
 * @param {() => Promise<number>} run called on our own Node only; gives the exit code
 * @param {{staysOnBun?: boolean}} [options] staysOnBun: where it is Bun that was told to run the program, it does
 */
export async function onOwnNode(script, run, { staysOnBun = false } = {}) {
  endWithParent();
  try {
    const node = await ensureInstalled();
    const isRight = isBun ? staysOnBun : isOwnNode() && hasNodeFlags();
    if (!isRight) return await handOver(node, [script, ...process.argv.slice(2)]);
    process.exitCode = await run();
    setTimeout(() => process.exit(), lingerMs).unref();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (process.env.ROZAN_DEBUG) console.error(error);
    process.exit(1);
  }
}

/**
 * Loads a module and runs the `main` it exports; a module without one has done its work by being loaded.
 *
 * @param {string} path from the repository's root
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
export async function runModule(path, args) {
  const file = join(root, path);
  if (!existsSync(file)) throw new Error(`${path} is not there: this copy of Rozan is not complete`);
  ignoreClosedOutput();
  process.argv.splice(1, Number.POSITIVE_INFINITY, file, ...args);
  const module = await import(pathToFileURL(file).href);
  return typeof module.main === 'function' ? await module.main(args) : Number(process.exitCode ?? 0);
}

/** A reader that goes away (`rozan … | head -1`) is no reason to end. */
function ignoreClosedOutput() {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}
