#!/usr/bin/env node
// The command line of cutter-core.mjs.
import { parseArgs } from 'node:util';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, cutter-core.d.mts, imported.
import { createCutter } from './cutter-core.mjs';

const HELP = `usage: node bin/run.mjs bench/cutter.mjs --listen HOST:PORT --target HOST:PORT [options]

  --cut-after MS       cut each connection MS after it began (default: never by itself)
  --cut-after-bytes N  cut each connection once N bytes have come on it, both ways together (default: never)
  --arm-bytes N        count MS from when N bytes came back from the target on that connection
  --cuts N             cut this many times at most, one after another (default: no limit)
  --how WAY            rst (default), fin, or stall: keep both ends open and let nothing pass
  --throttle KBPS      limit each direction of each connection to KBPS kilobits a second
  --line KBPS          limit each direction of all connections together
  --delay MS           hold everything back for MS in each direction
  --outage-every MS    MS after the start and after each outage, begin the next
  --outage-for MS      length of an outage (default 30000)
  --outage WAY         refuse (default), or blackhole: nothing passes, what survives goes on afterwards
  --help

SIGUSR2 cuts all connections that are open. Each event is one line of JSON on standard output.`;

const text = { type: 'string' };
const { values } = parseArgs({
  options: {
    listen: text,
    target: text,
    'cut-after': text,
    'cut-after-bytes': text,
    'arm-bytes': text,
    cuts: text,
    how: text,
    throttle: text,
    line: text,
    delay: text,
    'outage-every': text,
    'outage-for': { type: 'string', default: '30000' },
    outage: { type: 'string', default: 'refuse' },
    help: { type: 'boolean' },
  },
});

const number = (name) => (values[name] === undefined ? undefined : Number(values[name]));

function scheduleOutages(cutter) {
  const everyMs = number('outage-every');
  if (everyMs === undefined) return;
  const change = async (on) => {
    await cutter.outage(on, values.outage);
    setTimeout(change, on ? number('outage-for') : everyMs, !on);
  };
  setTimeout(change, everyMs, true);
}

if (values.help || !values.listen || !values.target) {
  console.log(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  const cutter = await createCutter({
    listen: values.listen,
    target: values.target,
    cutAfterMs: number('cut-after'),
    cutAfterBytes: number('cut-after-bytes'),
    armBytes: number('arm-bytes'),
    cuts: number('cuts'),
    how: values.how,
    throttleKbps: number('throttle'),
    lineKbps: number('line'),
    delayMs: number('delay'),
    onEvent: (event) => console.log(JSON.stringify(event)),
  });
  process.on('SIGUSR2', () => cutter.cutAll());
  scheduleOutages(cutter);
  // Whoever has loaded this file would end it when it has been loaded.
  await new Promise(() => {});
}
