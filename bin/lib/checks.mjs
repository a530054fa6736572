import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { root } from './runtime.mjs';

const modules = join(root, 'node_modules');
const appFolder = join(root, 'packages', 'client', 'ui');
/** Installed where its own TypeScript can lie beside it, which is an older one than ours. */
const svelteCheck = dirname(createRequire(join(appFolder, 'package.json')).resolve('svelte-check/package.json'));

/** What `npm run check` looks at. Each is a program of Node, run on our own. */
const steps = [
  { name: 'types', args: [join(modules, 'typescript', 'bin', 'tsc'), '--noEmit', '--pretty', 'false'] },
  {
    name: 'lint and format',
    args: [
      join(modules, '@biomejs', 'biome', 'bin', 'biome'),
      'check',
      '--error-on-warnings',
      '--no-errors-on-unmatched',
      '--max-diagnostics=100',
    ],
  },
  {
    name: 'types of the app',
    args: [
      join(svelteCheck, 'bin', 'svelte-check'),
      ...['--workspace', appFolder, '--tsconfig', join(appFolder, 'tsconfig.json')],
      '--fail-on-warnings',
    ],
  },
  { name: 'unused code', args: [join(modules, 'knip', 'bin', 'knip.js'), '--no-progress'] },
];

/** The fourth step, which is also one of the tests. */
export const structureStep = { name: 'structure', args: ['--test', '--test-reporter=dot', 'test/structure.test.ts'] };

/**
 * Runs the steps side by side and prints what each found, in order.
 *
 * @param {{name: string, args: string[]}[]} more steps beside the usual ones
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runChecks(more = []) {
  const results = await Promise.all([...steps, ...more].map(runStep));
  for (const { name, code, output, seconds } of results) {
    process.stdout.write(`${code === 0 ? '✔' : '✖'} ${name} (${seconds.toFixed(1)} s)\n`);
    if (code !== 0) process.stdout.write(`${output.trimEnd()}\n`);
  }
  return results.filter(({ code }) => code !== 0).map(({ name }) => name);
}

function runStep({ name, args }) {
  const startedAt = performance.now();
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ name, code, output, seconds: (performance.now() - startedAt) / 1000 }));
  });
}
