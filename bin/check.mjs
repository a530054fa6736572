#!/usr/bin/env node
// `npm run check`: types, lint and format, unused code, structure.
import './lib/node-version.mjs';
import { fileURLToPath } from 'node:url';

const { onOwnNode } = await import('./lib/program.mjs');

await onOwnNode(fileURLToPath(import.meta.url), async () => {
  const { runChecks, structureStep } = await import('./lib/checks.mjs');
  const failed = await runChecks([structureStep]);
  return failed.length === 0 ? 0 : 1;
});
