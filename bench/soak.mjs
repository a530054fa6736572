#!/usr/bin/env node
// Client and relay for a long time over a line that changes at random: every byte is compared, and memory has to stay flat.
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { startWorld } from './cuts-world.mjs';
import { pause } from './launch.mjs';
import { Load } from './soak-load.mjs';
import { judge, MemoryRecord, sparkline } from './soak-memory.mjs';
import { Weather } from './soak-weather.mjs';

const HELP = `usage: node bin/run.mjs bench/soak.mjs [options]

  --minutes N      for so long (default 30)
  --seed N         the line's changes (default: drawn, and printed); what applications do is drawn apart
  --carriers N     connections of the client at once; without it the client finds out itself, and adapts
  --warm-up S      memory counts from then on (default: a sixth of the time)
  --growth SHARE   what the median of memory in the last third may be above that in the first (default 0.25)
  --json FILE      write all figures there, with samples of memory and line, second by second, and what the client told
  --help

Every 1 to 8 s the line changes: a rate from 64 kbit/s to 200 Mbit/s or none (of all connections, each way), a delay up to 300 ms each
way, connections reset, ended or silent for ever, or nothing passes for up to 8 s. Meanwhile: two downloads and two uploads of 20 KB to
20 MB, short streams, conversations of random bytes, and 24 streams that idle. Client and relay are programs of their own; memory is PSS,
the relay's workers included. At the end the line is left in peace, and everything has to end well, with nothing left at the relay.

Prints a table and one line of JSON; the exit code is 1 where an application saw an error or a wrong byte, a session or stream was lost,
memory grew, or something was left behind.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    minutes: text('30'),
    seed: text(`${randomInt(2 ** 31)}`),
    carriers: { type: 'string' },
    'warm-up': { type: 'string' },
    growth: text('0.25'),
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const SAMPLE_MS = 1000;
const PROGRESS_MS = 10_000;
/** When the line is in peace, whatever is under way may take so long. */
const FINISH_MS = 180_000;
/** What ended streams and their windows leave at the relay is gone by then. */
const LEFT_MS = 30_000;

const clock = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, '0')}`;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(0)} MB`;

function report({ seconds, load, weather, record }) {
  const { down, up } = load.moved;
  const mib = (name) => `${record.latest(name).mib.toFixed(0)} MiB`;
  const moved = `${megabytes(down)} down, ${megabytes(up)} up, ${load.streams} streams, ${load.faults.length} faults`;
  return `${clock(seconds)} of ${values.minutes}:00 · ${moved} · client ${mib('client')}, relay ${mib('relay')} · ${weather.latest}`;
}

/** What is wrong with a relay on which nothing should be open any more; undefined once all is well. */
async function leftBehind(world) {
  const patience = AbortSignal.timeout(LEFT_MS);
  for (;;) {
    const { streams, heldBytes } = await world.relayStatus();
    if (streams === 0 && heldBytes === 0) return undefined;
    if (patience.aborted) return `the relay still has ${streams} streams and holds ${heldBytes} bytes`;
    await pause(SAMPLE_MS);
  }
}

/** Lets it run; returns the faults that were found. */
async function soak(world, { load, weather, record }, minutes) {
  const start = performance.now();
  const elapsed = () => (performance.now() - start) / 1000;
  const timer = setInterval(
    () => console.error(report({ seconds: elapsed(), load, weather, record })),
    minutes > 5 ? 3 * PROGRESS_MS : PROGRESS_MS,
  );
  try {
    while (elapsed() < minutes * 60 && load.faults.length === 0) await pause(SAMPLE_MS);
    record.stop();
    await weather.calm();
    await load.finish(FINISH_MS);
    const left = await leftBehind(world);
    return left === undefined ? load.faults : [...load.faults, left];
  } catch (error) {
    return [...load.faults, error.message];
  } finally {
    clearInterval(timer);
  }
}

function printTable(verdicts, record) {
  console.log(
    '| | MiB, first third | last third | at most | growth | open files, first | last | |\n|---|---|---|---|---|---|---|---|',
  );
  for (const [name, verdict] of Object.entries(verdicts)) {
    const growth = `${(verdict.growth * 100).toFixed(1)} %`;
    const { firstMiB, lastMiB, mostMiB, firstFiles, lastFiles } = verdict;
    const drawing = sparkline(record.samples[name].map(({ mib }) => mib));
    console.log(`| ${[name, firstMiB, lastMiB, mostMiB, growth, firstFiles, lastFiles, drawing].join(' | ')} |`);
  }
}

async function main() {
  const minutes = Number(values.minutes);
  const mostGrowth = Number(values.growth);
  const warmUpSeconds = Number(values['warm-up'] ?? (minutes * 60) / 6);
  console.error(`seed ${values.seed}`);
  await using world = await startWorld({
    cutters: [{}],
    clientArgs: values.carriers === undefined ? [] : ['--carriers', values.carriers],
  });
  const record = new MemoryRecord(world.pids, SAMPLE_MS);
  const weather = new Weather(world.cutters[0], values.seed);
  const load = new Load(world.path);
  const line = [];
  const timer = setInterval(() => {
    line.push({ change: weather.latest, ...world.cutters[0].carried, told: world.events().length });
  }, SAMPLE_MS);
  const faults = await soak(world, { load, weather, record }, minutes).finally(() => clearInterval(timer));
  const counts = world.eventCounts();
  for (const { event, code } of world.events()) {
    // A second session, made while the first had no line, is let go when it is no longer needed: that is `cancelled`.
    const isFault = event === 'stream.failed' || (event === 'session.closed' && code !== 'cancelled');
    if (isFault) faults.push(`the client tells of ${event}: ${code}`);
  }
  const verdicts = Object.fromEntries(
    Object.entries(record.samples).map(([name, samples]) => [name, judge(samples, { warmUpSeconds, mostGrowth })]),
  );
  for (const [name, { isFlat, growth }] of Object.entries(verdicts)) {
    if (!isFlat) faults.push(`memory of the ${name} grew by ${(growth * 100).toFixed(1)} %`);
  }
  printTable(verdicts, record);
  for (const fault of faults) console.log(`WRONG: ${fault}`);
  const { moved, streams } = load;
  const figures = {
    seed: values.seed,
    minutes,
    carriers: values.carriers === undefined ? 'adaptive' : Number(values.carriers),
    moved,
    streams,
    weather: weather.counts,
  };
  const result = { ok: faults.length === 0, ...figures, events: counts, memory: verdicts, mostGrowth, faults };
  console.log(JSON.stringify(result));
  if (values.json)
    writeFileSync(
      values.json,
      `${JSON.stringify({ ...result, samples: record.samples, line, told: world.events() })}\n`,
    );
  if (faults.length > 0) process.exitCode = 1;
}

if (values.help) console.log(HELP);
else await main();
