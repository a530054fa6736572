#!/usr/bin/env node
// What a flood of garbage first flights takes from a download through the relay, and what each costs the relay.
import { parseArgs } from 'node:util';
import { measureFlood } from '../packages/lab/src/testing/flood-run.ts';

const HELP = `usage: node bin/run.mjs bench/flood.mjs [options]

  --rate N       garbage first flights a second, each on a connection of its own (default 3000)
  --mode MODE    close: each connection is ended after a moment (default); hold: they stay open
  --open N       with hold: at most so many, then the oldest is ended (default 8000)
  --channels N   distribution channels of the relay (default 1)
  --limit MBPS   read no faster than this, in MB (10^6) a second (default: as fast as it goes, with all cores busy)
  --windows N    windows with the flood, each between two without (default 9)
  --seconds S    length of a window (default 3)
  --help

Prints one line of JSON. ratio: goodput with the flood by that without, the median over the windows.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    rate: text('3000'),
    mode: text('close'),
    open: text('8000'),
    channels: text('1'),
    limit: text('Infinity'),
    windows: text('9'),
    seconds: text('3'),
    help: { type: 'boolean' },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const figures = await measureFlood({
    perSecond: Number(values.rate),
    mode: values.mode,
    maxOpen: Number(values.open),
    channels: Number(values.channels),
    limitMBps: Number(values.limit),
    windows: Number(values.windows),
    windowMs: Number(values.seconds) * 1000,
    aloneMs: Number(values.seconds) * 2000,
  });
  console.log(
    JSON.stringify(figures, (_, value) => (typeof value === 'number' ? Number(value.toPrecision(4)) : value)),
  );
}
