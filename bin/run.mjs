#!/usr/bin/env node
// Runs one file of the repository under our own Node: `node bin/run.mjs FILE [ARGUMENTS]`.
import './lib/node-version.mjs';
import { fileURLToPath } from 'node:url';

const { onOwnNode, runModule } = await import('./lib/program.mjs');

const [path, ...args] = process.argv.slice(2);
if (path === undefined) {
  process.stderr.write('usage: node bin/run.mjs FILE [ARGUMENTS]\n');
  process.exitCode = 2;
} else {
  await onOwnNode(fileURLToPath(import.meta.url), () => runModule(path, args));
}
