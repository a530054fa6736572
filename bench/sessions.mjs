#!/usr/bin/env node
// Many busy sessions of one client, cut at once: what becomes of them, and what the relay holds meanwhile.
import { parseArgs } from 'node:util';
import { cutSessions } from '../packages/lab/src/testing/sessions-run.ts';

const HELP = `usage: node bin/run.mjs bench/sessions.mjs [options]

  --sessions N   sessions, each with a stream that moves bytes both ways (default 2000)
  --up KB        KB (10^3) that each sends (default 50)
  --down KB      KB that each receives (default 400)
  --line KBPS    the line of all carriers together (default 800000)
  --how WAY      rst (default), fin or stall
  --outage MS    keep the relay out of reach for so long after the cut (default 0)
  --machine MB   the memory of the machine as the relay shall see it (default: as it is)
  --help

Prints one line of JSON; the exit code is 1 where a stream did not end as it should.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    sessions: text('2000'),
    up: text('50'),
    down: text('400'),
    line: text('800000'),
    how: text('rst'),
    outage: text('0'),
    machine: { type: 'string' },
    help: { type: 'boolean' },
  },
});

/** How a stream may end: all its bytes there, or told by a type what became of its session. */
const FAIR_ENDS = ['done', 'session-lost'];

if (values.help) {
  console.log(HELP);
} else {
  const figures = await cutSessions({
    sessions: Number(values.sessions),
    upBytes: Number(values.up) * 1000,
    downBytes: Number(values.down) * 1000,
    lineKbps: Number(values.line),
    how: values.how,
    outageMs: Number(values.outage),
    patienceMs: 180_000,
    ...(values.machine === undefined ? {} : { machineBytes: Number(values.machine) * 1e6 }),
  });
  console.log(JSON.stringify(figures));
  process.exitCode = Object.keys(figures.farm.ended).every((how) => FAIR_ENDS.includes(how)) ? 0 : 1;
}
