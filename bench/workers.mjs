#!/usr/bin/env node
// One relay worker against several, with many clients: goodput, connections a second, and what they cost the relay's processes.
// Both relays and all their clients run from the start; what is idle costs nothing, and rounds are interleaved.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CpuQuota } from './cpu-quota.mjs';
import { Launch } from './launch.mjs';
import { download, open, startOrigin, upload } from './measures.mjs';
import { cpuSeconds, family } from './procs.mjs';
import { startClients, startRelay } from './recipes-rozan.mjs';
import { median } from './statistics.mjs';

const HELP = `usage: node bin/run.mjs bench/workers.mjs [options]

  --workers LIST   numbers of workers to compare (default 1,2); ratios are to the first
  --clients N      client programs of each relay, one session and one stream each (default 32)
  --mb N           MB (10^6) in each direction of a round, all clients together (default 512)
  --seconds N      length of a connection-rate run (default 3)
  --rounds N       interleaved rounds; medians are reported (default 5)
  --core-share X   give each process of the relay this share of a core and no more (0.1 to 1; needs root), so that there are cores
                   for all of them: this shows what more workers bring on a machine that has no cores to spare
  --json FILE      also write every figure to FILE
  --help

"if cores were free" is the ratio of CPU s/GB of the one process to that of the busiest of several: how much more these could
carry with a core each. Goodput itself shows that only on a machine with cores to spare for clients, origin and generator.`;

const SMALL_BYTES = 1024;
/** Streams begin this far from each other in the sequence. */
const STRIDE = 7919 * 13;

const { values } = parseArgs({
  options: {
    workers: { type: 'string', default: '1,2' },
    clients: { type: 'string', default: '32' },
    mb: { type: 'string', default: '512' },
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '5' },
    'core-share': { type: 'string' },
    json: { type: 'string' },
    help: { type: 'boolean' },
  },
});

const now = () => performance.now() / 1000;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);

/** CPU seconds of the relay's processes during `work`: of all, and of the busiest. */
async function accounted(relay, work) {
  const pids = family([relay.pid]);
  const snapshot = () => pids.map((pid) => cpuSeconds([pid]));
  const before = snapshot();
  const result = await work();
  const used = snapshot().map((seconds, index) => seconds - before[index]);
  // That of the process that was started counts its children too.
  const own = used[0] - sum(used.slice(1));
  return { result, total: used[0], busiest: Math.max(own, ...used.slice(1)) };
}

async function bulk({ relay, paths }, direction, bytes) {
  const share = Math.floor(bytes / paths.length);
  const transfer = direction === 'down' ? download : upload;
  const streams = await Promise.all(paths.map((path) => open(path)));
  const { result, total, busiest } = await accounted(relay, async () => {
    const start = now();
    await Promise.all(streams.map((stream, index) => transfer(stream, index * STRIDE, share)));
    return now() - start;
  });
  for (const stream of streams) stream.destroy();
  const gigabytes = (share * paths.length) / 1e9;
  return { mbPerSecond: (gigabytes * 1e3) / result, cpuPerGB: total / gigabytes, busiestPerGB: busiest / gigabytes };
}

/** New connections a second over all clients, one at a time each. */
async function connections({ relay, paths }, seconds) {
  let done = 0;
  const start = now();
  const { total, busiest } = await accounted(relay, () =>
    Promise.all(
      paths.map(async (path) => {
        while (now() - start < seconds) {
          const stream = await open(path);
          await download(stream, done, SMALL_BYTES);
          stream.destroy();
          if (now() - start <= seconds) done += 1;
        }
      }),
    ),
  );
  return {
    perSecond: done / seconds,
    cpuPerThousand: (total / done) * 1e3,
    busiestPerThousand: (busiest / done) * 1e3,
  };
}

function coreShare(text) {
  const share = text === undefined ? undefined : Number(text);
  if (share === undefined || (share >= 0.1 && share <= 1)) return share;
  throw new Error(`--core-share ${text}: a number from 0.1 to 1`);
}

async function measure(setup, plan) {
  const bytes = Number(plan.mb) * 1e6;
  return {
    down: await bulk(setup, 'down', bytes),
    up: await bulk(setup, 'up', bytes),
    conns: await connections(setup, Number(plan.seconds)),
  };
}

function medians(rounds) {
  const figures = Object.entries(rounds[0]).map(([name, figure]) => [
    name,
    Object.fromEntries(Object.keys(figure).map((key) => [key, median(rounds.map((round) => round[name][key]))])),
  ]);
  return Object.fromEntries(figures);
}

/** The median over the rounds of the ratio within one round. */
const ratio = (rounds, others, pick) => median(rounds.map((round, index) => pick(round) / pick(others[index])));

function table(measured) {
  const [first] = measured;
  const cell = (number, digits) => number.toFixed(digits);
  const heads = ['workers', 'sessions', 'down MB/s', 'up MB/s', 'conn/s', 'CPU s/GB down / up', 'CPU ms/conn'];
  heads.push('× the first: down, up, conn/s', 'if cores were free: down, up, conn/s');
  const rows = measured.map(({ workers, sessions, rounds, summary: { down, up, conns } }) => {
    const ratios = (pick) => cell(ratio(rounds, first.rounds, pick), 2);
    const free = (one, busiest) =>
      cell(median(first.rounds.map((round, index) => one(round) / busiest(rounds[index]))), 2);
    return [
      workers,
      sessions.join(' + '),
      ...[cell(down.mbPerSecond, 0), cell(up.mbPerSecond, 0), cell(conns.perSecond, 0)],
      `${cell(down.cpuPerGB, 2)} / ${cell(up.cpuPerGB, 2)}`,
      cell(conns.cpuPerThousand, 2),
      [ratios((r) => r.down.mbPerSecond), ratios((r) => r.up.mbPerSecond), ratios((r) => r.conns.perSecond)].join(', '),
      [
        free(
          (r) => r.down.busiestPerGB,
          (r) => r.down.busiestPerGB,
        ),
        free(
          (r) => r.up.busiestPerGB,
          (r) => r.up.busiestPerGB,
        ),
        free(
          (r) => r.conns.busiestPerThousand,
          (r) => r.conns.busiestPerThousand,
        ),
      ].join(', '),
    ];
  });
  return [heads, heads.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

async function main() {
  const launch = new Launch();
  const quota = new CpuQuota();
  const share = coreShare(values['core-share']);
  const origin = await startOrigin();
  try {
    const setups = [];
    for (const workers of values.workers.split(',').map(Number)) {
      const relay = await startRelay(launch, { name: `relay-${workers}`, workers });
      if (share !== undefined) for (const pid of family([relay.pid])) quota.hold(pid, share);
      const clients = await startClients(launch, relay, Number(values.clients));
      const paths = clients.map(({ chain }) => ({ chain, origin }));
      setups.push({ workers, relay, paths, sessions: await relay.sessionsByWorker(), rounds: [] });
    }
    for (const setup of setups) await bulk(setup, 'down', (Number(values.mb) * 1e6) / 8);
    for (let round = 0; round < Number(values.rounds); round += 1) {
      for (const setup of setups) setup.rounds.push(await measure(setup, values));
    }
    const measured = setups.map(({ workers, sessions, rounds }) => ({
      workers,
      sessions,
      summary: medians(rounds),
      rounds,
    }));
    const figures = { plan: values, measured };
    if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
    console.log(JSON.stringify(measured.map(({ workers, sessions, summary }) => ({ workers, sessions, ...summary }))));
    console.log(table(measured));
  } finally {
    origin.stop();
    await launch.stop();
    quota.release();
  }
}

if (values.help) {
  console.log(HELP);
} else {
  await main().catch((error) => {
    console.error(`workers: ${error.message}`);
    process.exitCode = 1;
  });
}
