#!/usr/bin/env node
// `npm test`: installs what is missing, then the checks, then every test. `npm test -- session relay/src` runs the test
// files whose path holds one of the words, and no checks.
import './lib/node-version.mjs';
import { fileURLToPath } from 'node:url';

const { onOwnNode } = await import('./lib/program.mjs');

await onOwnNode(fileURLToPath(import.meta.url), async () => {
  const { runChecks } = await import('./lib/checks.mjs');
  const { ensureDebianPackages } = await import('./lib/debian-packages.mjs');
  const { runTests } = await import('./lib/tests.mjs');

  const patterns = process.argv.slice(2);
  const notes = [];
  ensureDebianPackages((text) => {
    notes.push(text);
    process.stdout.write(`${text}\n`);
  });
  const failedChecks = patterns.length === 0 ? await runChecks() : [];
  const { passed, failed, skipped } = await runTests(patterns);

  const lines = ['', `${passed} tests passed, ${failed.length} failed, ${skipped.length} skipped.`];
  for (const { name, why } of skipped) lines.push(`  skipped  ${name} (${why})`);
  for (const note of notes) lines.push(`  note     ${note}`);
  for (const name of failedChecks) lines.push(`  FAILED   check: ${name}`);
  for (const name of failed) lines.push(`  FAILED   ${name}`);
  process.stdout.write(`${lines.join('\n')}\n`);
  return failed.length + failedChecks.length === 0 ? 0 : 1;
});
