#!/usr/bin/env node
// Runs this repository's client and relay over lines that are cut, stalled, dark or slow, compares every byte, and prints figures.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CASES, SIZES } from './cuts-cases.mjs';

const HELP = `usage: node bin/run.mjs bench/cuts.mjs [--case NAME]… [--quick] [--together] [--json FILE]

  --case NAME  one of ${Object.keys(CASES).join(', ')}; a name's beginning stands for all that begin so (default: all)
  --quick      smaller transfers and shorter times
  --together   all chosen cases at the same time: for the slow ones, which hardly need the machine
  --json FILE  write the figures there
  --help

Prints a table, then one line of JSON; the exit code is 1 where an application would have seen an error.`;

const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: [''] },
    quick: { type: 'boolean' },
    together: { type: 'boolean' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

async function run(name, size) {
  console.error(`${name} …`);
  try {
    return { case: name, ok: true, ...(await CASES[name](size)) };
  } catch (error) {
    return { case: name, ok: false, error: error.message };
  }
}

const percent = (share) => `${(share * 100).toFixed(1)} %`;

/** What crossed the line beyond what the application got, as a share of the latter. */
function waste(row, direction) {
  const moved = row[direction];
  return moved === undefined ? '' : percent(row.carried[direction] / moved.bytes - 1);
}

function cells(row) {
  if (!row.ok) return [row.case, `FAILED: ${row.error}`];
  const goodput = (direction) => (row[direction] === undefined ? '' : percent(row[direction].goodput));
  const memory = (name) => `${row.memoryMiB[name].idle} → ${row.memoryMiB[name].peak}`;
  const trip = row.conversation ?? row.roundTripMs;
  return [
    row.case,
    `${row.seconds}`,
    goodput('down'),
    goodput('up'),
    waste(row, 'down'),
    waste(row, 'up'),
    `${row.cuts}`,
    `${row.carriers}`,
    `${row.falseSuspects ?? row.suspects}`,
    trip === undefined ? '' : `${trip.median} / ${trip.max}`,
    row.stall === undefined ? '' : `${row.stall.suspectMs} / ${row.stall.attachedMs}`,
    memory('client'),
    memory('relay'),
  ];
}

const HEAD = [
  ...['case', 's', 'goodput down', 'up', 'extra down', 'up', 'cuts', 'carriers', 'suspected'],
  ...['round trip ms (median / max)', 'stall ms (suspected / attached)', 'client MiB', 'relay MiB'],
];

function printTable(rows) {
  console.log(`| ${HEAD.join(' | ')} |`);
  console.log(`|${' --- |'.repeat(HEAD.length)}`);
  for (const row of rows) console.log(`| ${cells(row).join(' | ')} |`);
}

const chosen = Object.keys(CASES).filter((name) => values.case.some((start) => name.startsWith(start)));
if (values.help || chosen.length === 0) {
  console.log(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  const size = values.quick ? SIZES.quick : SIZES.full;
  const rows = [];
  if (values.together) rows.push(...(await Promise.all(chosen.map((name) => run(name, size)))));
  else for (const name of chosen) rows.push(await run(name, size));
  printTable(rows);
  console.log(JSON.stringify(rows));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`);
  if (rows.some(({ ok }) => !ok)) process.exitCode = 1;
}
