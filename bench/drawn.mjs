#!/usr/bin/env node
// Runs this repository's client and relay over lines that limit each connection by an age, bytes or a rate, drawn anew and told to nobody.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { AIMS, DRAWN_CASES } from './drawn-cases.mjs';

const HELP = `usage: node bin/run.mjs bench/drawn.mjs [--case NAME]… [--runs N] [--quick] [--json FILE]

  --case NAME  one of ${Object.keys(DRAWN_CASES).join(', ')}; a name's beginning stands for all that begin so (default: all)
  --runs N     draw so many limits in each case, one after the other; the cases run side by side (default 1)
  --quick      a minute of conversation and a file of 10 MB, instead of three minutes and 50 MB
  --json FILE  write the figures there
  --help

A conversation of a message each 200 ms runs over a path of 50 ms. Once the client has learnt the limit, its longest waits are compared with
those of a connection without a tunnel through such a line. The exit code is 1 where an application would have seen an error, or an aim was missed:
99 of 100 waits no more than ${AIMS.stallP99Ms.most} ms above that connection's, a file at ${100 * AIMS.lineShare.least} % of the line, ${AIMS.mostConnections.most} connections at once.`;

const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: [''] },
    runs: { type: 'string', default: '1' },
    quick: { type: 'boolean' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const SIZES = { full: { talkMs: 180_000, fileMb: 50 }, quick: { talkMs: 60_000, fileMb: 10 } };
const HEAD = [
  'case',
  'limit',
  'learnt after',
  'carriers',
  'p99 above',
  'most above',
  'of the line',
  'connections',
  'missed',
];

function cells(row) {
  if (row.error !== undefined) return [row.case, `FAILED: ${row.error}`];
  const { cutAfterMs, cutAfterBytes, throttleKbps } = row.limit;
  const limits = [
    [cutAfterMs, (ms) => `${Math.round(ms / 1000)} s`],
    [cutAfterBytes, (bytes) => `${bytes} bytes`],
    [throttleKbps, (kbps) => `${kbps} kbit/s`],
  ];
  const limit = limits.flatMap(([value, show]) => (value === undefined ? [] : [show(value)])).join(', ');
  const share = row.lineShare === undefined ? '' : `${(100 * row.lineShare).toFixed(0)} %`;
  const waits = [`${row.stallP99Ms} ms`, `${row.stallMostMs} ms`];
  return [
    row.case,
    limit,
    `${row.learnt.seconds} s`,
    `${row.learnt.carriers}`,
    ...waits,
    share,
    `${row.mostConnections}`,
    row.missed.join(', '),
  ];
}

async function runCase(name) {
  const rows = [];
  for (let run = 0; run < Number(values.runs); run += 1) {
    const size = values.quick ? SIZES.quick : SIZES.full;
    const row = await DRAWN_CASES[name](size).catch((error) => ({ error: error.message }));
    rows.push({ case: name, ...row });
    console.log(`| ${cells(rows.at(-1)).join(' | ')} |`);
  }
  return rows;
}

const chosen = Object.keys(DRAWN_CASES).filter((name) => values.case.some((start) => name.startsWith(start)));
if (values.help || chosen.length === 0) {
  console.log(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  console.log(`| ${HEAD.join(' | ')} |\n|${' --- |'.repeat(HEAD.length)}`);
  const rows = (await Promise.all(chosen.map(runCase))).flat();
  console.log(JSON.stringify(rows));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (rows.some(({ error, missed }) => error !== undefined || missed.length > 0)) process.exitCode = 1;
}
