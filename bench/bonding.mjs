#!/usr/bin/env node
// What several carriers at once are good for: client and relay over lines that hold each connection back, that all share, or that differ.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CASES } from './bonding-cases.mjs';
import { median } from './statistics.mjs';

const HELP = `usage: node bin/run.mjs bench/bonding.mjs [options]

  --case NAME       one of ${Object.keys(CASES).join(', ')} (default: all)
  --carriers LIST   numbers of carriers to compare; ratios are to the first (default 1,2,4,8)
  --directions LIST of down,up (default both), one after the other
  --throttle KBPS   each connection's share in the case throttle (default 1000)
  --line KBPS       the line of all connections in the case shared, and the fast one in lanes (default 20000)
  --seconds S       about how long a transfer takes if the line is full (default 20)
  --rounds N        rounds of each case; medians are reported (default 1)
  --quick           transfers of 8 s
  --json FILE       write the figures there
  --help

throttle: a censor's limit on each connection. shared: a user's line, on which more carriers gain nothing and must lose nothing.
lanes: an address whose connections are slow, each a twentieth, beside one on a fast line; compared with one carrier over the latter alone.
"of the line" is goodput as a share of what the connections may carry together; the control is a plain connection over such a line.

Prints a table and one line of JSON; the exit code is 1 where a byte was wrong, a stream failed, or a ratio is below its bound.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    case: { type: 'string', multiple: true, default: Object.keys(CASES) },
    carriers: text('1,2,4,8'),
    directions: text('down,up'),
    throttle: text('1000'),
    line: text('20000'),
    seconds: text('20'),
    rounds: text('1'),
    quick: { type: 'boolean' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const fixed = (value, digits) => value.toFixed(digits);

/** One row for each setup and direction: medians over the rounds, and of the ratios within them. */
function summarise(rounds) {
  return rounds[0].map(({ name, direction, bound }, index) => {
    const of = (pick) => median(rounds.map((rows) => pick(rows[index], rows)));
    const first = rounds[0].findIndex((row) => row.case === rounds[0][index].case && row.direction === direction);
    const ratio = of((row, rows) => row.mbps / rows[first].mbps);
    return {
      case: rounds[0][index].case,
      name,
      direction,
      mbps: of(({ mbps }) => mbps),
      share: of(({ share }) => share),
      carriers: of(({ carriers }) => carriers),
      longestGapMs: of(({ longestGapMs = 0 }) => longestGapMs),
      ratio,
      ...(bound === undefined ? {} : { bound, ok: ratio >= bound }),
    };
  });
}

function printTable(rows) {
  const heads = [
    'case',
    'setup',
    'direction',
    'Mbit/s',
    'of the line',
    'ratio',
    'at least',
    'carriers made',
    'longest gap ms',
  ];
  console.log(`| ${heads.join(' | ')} |\n|${' --- |'.repeat(heads.length)}`);
  for (const row of rows) {
    const verdict = row.bound === undefined ? '' : `${row.bound} ${row.ok ? '✔' : '✖'}`;
    const figures = [fixed(row.mbps, 2), `${fixed(row.share * 100, 1)} %`, fixed(row.ratio, 2), verdict];
    const rest = [row.carriers, row.direction === 'down' ? Math.round(row.longestGapMs) : ''];
    console.log(`| ${[row.case, row.name, row.direction, ...figures, ...rest].join(' | ')} |`);
  }
}

async function main() {
  const options = {
    carriers: values.carriers.split(',').map(Number),
    directions: values.directions.split(','),
    throttleKbps: Number(values.throttle),
    lineKbps: Number(values.line),
    seconds: values.quick ? 8 : Number(values.seconds),
    onProgress: (what) => console.error(`${what} …`),
  };
  const rounds = [];
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const rows = [];
    for (const name of values.case) rows.push(...(await CASES[name](options)));
    rounds.push(rows);
  }
  const rows = summarise(rounds);
  printTable(rows);
  console.log(JSON.stringify({ ok: rows.every(({ ok }) => ok !== false), ...options, rows }));
  if (values.json) writeFileSync(values.json, `${JSON.stringify({ ...options, rows, rounds }, null, 2)}\n`);
  if (rows.some(({ ok }) => ok === false)) process.exitCode = 1;
}

if (values.help || values.case.some((name) => !(name in CASES))) {
  console.log(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  await main().catch((error) => {
    console.log(JSON.stringify({ ok: false, error: error.message }));
    process.exitCode = 1;
  });
}
