#!/usr/bin/env node
// Whether a prober can tell by time what stands behind a port: a relay, against the same relay with its transport off.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { measureProbeTiming } from '../packages/lab/src/probe-timing/measure.ts';
import { TIMED_LISTENERS } from './timed-listeners.mjs';

const HELP = `usage: node bin/run.mjs bench/probes.mjs [options]

  --samples N      probes of each class at each arm, interleaved (default 2000)
  --listener NAME  only listeners whose name begins so; may be given several times
  --json FILE      also write every figure to FILE
  --help

AUC is the area under the ROC curve of a threshold on the time to the first answer: 0.5 tells nothing, 1 everything. "planted" is the same site
answering 5 ms late. The exit code is 1 where an AUC is above 0.55, or a planted one below 0.9.

listeners: ${TIMED_LISTENERS.map(({ name }) => name).join(' · ')}`;

const MOST_AUC = 0.55;
const LEAST_PLANTED_AUC = 0.9;

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '2000' },
    listener: { type: 'string', multiple: true, default: [''] },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

function row({ listener, probe, medianOnMs, medianOffMs, separation, planted }) {
  const range = `${separation.low.toFixed(3)}–${separation.high.toFixed(3)}`;
  const cells = [listener, probe, medianOnMs.toFixed(3), medianOffMs.toFixed(3), separation.auc.toFixed(3), range];
  return `| ${[...cells, planted.auc.toFixed(3)].join(' | ')} |`;
}

async function main() {
  const listeners = TIMED_LISTENERS.filter(({ name }) => values.listener.some((start) => name.startsWith(start)));
  if (listeners.length === 0)
    throw new Error(`no listener begins so; there are ${TIMED_LISTENERS.map(({ name }) => name).join(', ')}`);
  console.log(
    '| listener | probe | on, ms | off, ms | AUC | 95 % | planted 5 ms |\n| --- | --- | --- | --- | --- | --- | --- |',
  );
  const results = await measureProbeTiming({
    samples: Number(values.samples),
    listeners,
    onResult: (result) => console.log(row(result)),
  });
  if (values.json) writeFileSync(values.json, `${JSON.stringify(results, undefined, 2)}\n`);
  const isBad = ({ separation, planted }) => separation.auc > MOST_AUC || planted.auc < LEAST_PLANTED_AUC;
  if (results.some(isBad)) process.exitCode = 1;
}

if (values.help) {
  console.log(HELP);
} else {
  await main().catch((error) => {
    console.error(`probes: ${error.message}`);
    process.exitCode = 1;
  });
}
