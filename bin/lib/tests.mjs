import { globSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';
import { root } from './runtime.mjs';

/** A test that takes longer is stuck. */
const timeoutMs = 900_000;
const places = ['packages/**/*.test.ts', 'test/**/*.test.ts', 'bench/**/*.test.{ts,mjs}', 'examples/**/*.test.ts'];
/** Tests that measure: they run one after another when everything else is done. */
const alone = /\.solo\.test\./;

/**
 * Runs the test files whose path holds one of the patterns, or all of them.
 *
 * @param {string[]} patterns
 * @returns {Promise<{passed: number, failed: string[], skipped: {name: string, why: string}[]}>}
 */
export async function runTests(patterns) {
  const files = globSync(places, { cwd: root, exclude: (path) => path.includes('node_modules') })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => patterns.length === 0 || patterns.some((pattern) => file.includes(pattern)))
    .sort();
  // Each file is a process of its own, and many start programs, which would all compile the same modules.
  process.env.NODE_COMPILE_CACHE ??= join(root, 'node_modules', '.cache', 'rozan-compiled');
  const outcome = { passed: 0, failed: [], skipped: [] };
  if (files.length === 0) {
    if (patterns.length > 0) outcome.failed.push(`no test file matches ${patterns.join(' ')}`);
    return outcome;
  }
  const together = files.filter((file) => !alone.test(file));
  const oneByOne = files.filter((file) => alone.test(file));
  // Many of them wait for programs and for time to pass: one more than there are cores keeps these busy.
  if (together.length > 0) await runFiles(together, availableParallelism() + 1, outcome);
  if (oneByOne.length > 0) await runFiles(oneByOne, 1, outcome);
  return outcome;
}

async function runFiles(files, concurrency, outcome) {
  const events = run({ files: files.map((file) => join(root, file)), cwd: root, concurrency, timeout: timeoutMs });
  events.on('test:pass', (data) => count(data, outcome));
  events.on('test:fail', (data) => {
    // A file or suite that fails only because of a test inside it adds nothing to that test's own line.
    if (data.details?.error?.failureType === 'subtestsFailed') return;
    if (data.todo === undefined) outcome.failed.push(`${place(data)}: ${data.name}`);
  });
  const report = events.compose(spec);
  report.pipe(process.stdout, { end: false });
  await finished(report);
}

function count(data, outcome) {
  if (data.skip !== undefined) {
    const why = typeof data.skip === 'string' && data.skip !== '' ? data.skip : 'no reason given';
    outcome.skipped.push({ name: `${place(data)}: ${data.name}`, why });
  } else if (data.details?.type !== 'suite') {
    outcome.passed += 1;
  }
}

function place({ file }) {
  return file === undefined ? 'test' : relative(root, file).replaceAll('\\', '/');
}
