#!/usr/bin/env node
// How long a client takes to find a relay among many that are blocked, in a simulation: a network in memory, and time that is not ours.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { blockedKinds, createRelayField } from '../packages/client/src/establish/testing/relay-field.ts';
import { SeededRandom } from '../packages/tunnel/src/testing/seeded-random.ts';
import { quantile } from './statistics.mjs';

const HELP = `usage: node bin/run.mjs bench/establish.mjs [options]

  --ways N       candidates, each a relay of its own (default 400)
  --working N    of them that work (default 3); of the others half are silent, and half refuse
  --rtt MS       round trip (default 150)
  --seeds N      runs, each with another order and other random numbers (default 200)
  --blackholes   the silent ones let the connection be made, and nothing after it
  --bounds P50,P95  fail above these seconds (default 8,20)
  --json FILE    write the figures there
  --help

Each run is made twice on the same network: a client that knows nothing yet, and one that was started again with what the first has
learnt. Time is from the start of the client to a session that has passed the check in both directions, in the simulation's clock: no
processor time is in it. "round trips" are those after the one of the TCP handshake.

Prints a table and one line of JSON; the exit code is 1 where a bound is missed, or a connection of a loser was left open.`;

const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    ways: text('400'),
    working: text('3'),
    rtt: text('150'),
    seeds: text('200'),
    blackholes: { type: 'boolean', default: false },
    bounds: text('8,20'),
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** A censor's patience is not the bound here: a run that takes longer has gone wrong. */
const LIMIT_MS = 30 * 60_000;

function storeInMemory() {
  let kept = null;
  return {
    read: async () => kept,
    write: async (text) => {
      kept = text;
    },
  };
}

/** One client's start: how long it took, what it showed, and what the losers left. */
async function start(options) {
  const field = await createRelayField(options);
  const tookMs = await field.timeToSession(LIMIT_MS);
  await field.clock.advance(2 * options.roundTripMs);
  const leftOpen = field.network.connections.filter(({ client }) => !client.destroyed).length - 1;
  const run = { tookMs, dials: field.dials.length, mostAtOnce: field.most.inAll, leftOpen };
  await field[Symbol.asyncDispose]();
  return run;
}

function summary(runs, roundTripMs) {
  const times = runs.map((run) => run.tookMs);
  const dials = runs.map((run) => run.dials);
  const seconds = (share) => Math.round(quantile(times, share)) / 1000;
  return {
    p50: seconds(0.5),
    p95: seconds(0.95),
    most: seconds(1),
    roundTripsP50: Math.round((quantile(times, 0.5) / roundTripMs - 1) * 100) / 100,
    roundTripsMost: Math.round((quantile(times, 1) / roundTripMs - 1) * 100) / 100,
    dialsP50: quantile(dials, 0.5),
    mostAtOnce: Math.max(...runs.map(({ mostAtOnce }) => mostAtOnce)),
    leftOpen: Math.max(...runs.map(({ leftOpen }) => leftOpen)),
  };
}

async function main() {
  const [ways, working, roundTripMs, seeds] = [values.ways, values.working, values.rtt, values.seeds].map(Number);
  const [boundP50, boundP95] = values.bounds.split(',').map(Number);
  const cold = [];
  const warm = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    const drawn = blockedKinds(new SeededRandom(seed), { ways, working });
    const kinds = drawn.map((kind) => (kind === 'silent' && values.blackholes ? 'blackhole' : kind));
    const options = { kinds, seed, roundTripMs, store: storeInMemory() };
    cold.push(await start(options));
    warm.push(await start(options));
  }
  const figures = {
    ways,
    working,
    roundTripMs,
    seeds,
    cold: summary(cold, roundTripMs),
    warm: summary(warm, roundTripMs),
  };
  console.log(`${working} of ${ways} ways work, ${seeds} runs, round trip ${roundTripMs} ms`);
  for (const name of ['cold', 'warm']) {
    const { p50, p95, most, roundTripsP50, roundTripsMost, dialsP50, mostAtOnce, leftOpen } = figures[name];
    console.log(
      `${name}: p50 ${p50} s, p95 ${p95} s, most ${most} s; round trips p50 ${roundTripsP50}, most ${roundTripsMost}; ` +
        `ways dialled p50 ${dialsP50}, at once ${mostAtOnce}; left open ${leftOpen}`,
    );
  }
  console.log(JSON.stringify(figures));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(figures, null, 2)}\n`);
  const isMissed = figures.cold.p50 > boundP50 || figures.cold.p95 > boundP95;
  return isMissed || figures.cold.leftOpen > 0 || figures.warm.leftOpen > 0 ? 1 : 0;
}

if (values.help) console.log(HELP);
else process.exitCode = await main();
