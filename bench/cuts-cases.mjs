// What `cuts.mjs` tries: each case starts its world, does to the line what its name says, moves bytes over it and returns a row of figures.
// It throws where an application would have seen an error or a wrong byte.

import { startWorld } from './cuts-world.mjs';
import { parseProxy } from './dial.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { runEcho, runTransfer } from './integrity.mjs';
import { pause } from './launch.mjs';
import { open } from './measures.mjs';
import { median } from './statistics.mjs';

const LINE_KBPS = 20_000;
const SLOW_KBPS = 64;
/** Fast enough not to take all day, slow enough for many cuts. */
const BULK_KBPS = 50_000;
const BULK_MB = 200;

/** The system takes megabytes of an upload at once; at 64 kbit/s nothing more moves for minutes then. */
const SLOW_STALL_MS = 900_000;

const round = (value, digits = 3) => Number(value.toFixed(digits));

function difference(after, before) {
  return { up: after.up - before.up, down: after.down - before.down };
}

function sum(list) {
  return list.reduce((total, { up, down }) => ({ up: total.up + up, down: total.down + down }), { up: 0, down: 0 });
}

const carriedBy = (world) => sum(world.cutters.map(({ carried }) => ({ ...carried })));

/** The row of a world in which `work` ran: what it returned, what the cutters carried, what the client told of, the memory. */
async function measure(world, work) {
  const before = carriedBy(world);
  const start = performance.now();
  const moved = await work();
  const seconds = (performance.now() - start) / 1000;
  const counts = world.eventCounts();
  for (const name of ['stream.failed', 'session.closed'])
    if (counts[name]) throw new Error(`the client tells of ${name}`);
  const cuts = world.cutters.flatMap(({ events }) => events).filter(({ event }) => event === 'cut').length;
  const mib = (kib) => Math.round(kib / 1024);
  const { idle, peak } = world.watch;
  return {
    seconds: round(seconds, 1),
    ...moved,
    carried: difference(carriedBy(world), before),
    cuts,
    carriers: counts['carrier.attached'] ?? 0,
    suspects: counts['carrier.suspect'] ?? 0,
    memoryMiB: Object.fromEntries(
      Object.keys(idle).map((name) => [name, { idle: mib(idle[name]), peak: mib(peak[name]) }]),
    ),
  };
}

function figures(transfers, kbps) {
  return Object.fromEntries(
    transfers.map(({ direction, bytes, seconds, longestGapMs }) => [
      direction,
      { bytes, goodput: round((bytes * 8) / seconds / 1000 / kbps), longestGapMs },
    ]),
  );
}

/** A transfer over a line of `kbps`, beside whatever `meanwhile` does to it. */
async function transferCase({ mode, kbps, mb, directions = ['down', 'up'], clientArgs, meanwhile }) {
  await using world = await startWorld({ cutters: [{ lineKbps: kbps, ...mode }], clientArgs });
  return await measure(world, async () => {
    const work = runTransfer({ ...world.path, mb, directions });
    const [transfers] = await Promise.all([work, meanwhile?.(world)]);
    return figures(transfers, kbps);
  });
}

function outageCase(way, { mb, outageMs }) {
  const meanwhile = async ({ cutters: [cutter] }) => {
    await pause(5000);
    await cutter.outage(true, way);
    await pause(outageMs);
    await cutter.outage(false);
  };
  return transferCase({ kbps: BULK_KBPS, mb, meanwhile });
}

/** The first address is dead until 10 s into the transfer, the second from then on. */
async function addressesCase(way, { mb }) {
  const modes = [{ lineKbps: BULK_KBPS }, { lineKbps: BULK_KBPS }];
  const prepare = ([first]) => first.outage(true, way);
  await using world = await startWorld({ cutters: modes, prepare });
  const [first, second] = world.cutters;
  return await measure(world, async () => {
    const swap = async () => {
      await pause(10_000);
      await first.outage(false);
      await second.outage(true, way);
    };
    const [transfers] = await Promise.all([runTransfer({ ...world.path, mb }), swap()]);
    const paths = { first: first.carried.down, second: second.carried.down };
    if (paths.first === 0 || paths.second === 0) throw new Error('one of the addresses was never used');
    return { ...figures(transfers, BULK_KBPS), bytesDownBy: paths };
  });
}

async function echoCase({ seconds }) {
  await using world = await startWorld({ cutters: [{ cutAfterMs: 2000 }] });
  return await measure(world, async () => {
    const echoes = await Promise.all(Array.from({ length: 4 }, () => runEcho({ ...world.path, seconds })));
    return { echoBytes: echoes.map(({ bytes }) => bytes), roundTripMs: echoes[0].roundTripMs };
  });
}

/** Sends a short message every two seconds until `over` is settled; returns how long they took to come back. */
async function chat(path, over) {
  const stream = await open({ chain: [parseProxy(path.socks)], origin: { port: path.originPort } }, 120_000);
  stream.write('GET /hold HTTP/1.1\r\nHost: origin\r\n\r\n');
  await stream.readHead();
  const times = [];
  let isOver = false;
  over.then(() => (isOver = true)).catch(() => (isOver = true));
  while (!isOver) {
    const start = performance.now();
    stream.write('a few words');
    await stream.read('a few words'.length);
    times.push(performance.now() - start);
    await pause(2000);
  }
  stream.destroy();
  return { messages: times.length, median: Math.round(median(times)), max: Math.round(Math.max(...times)) };
}

/** From a silent stall to the client's suspicion, to the next carrier, and to bytes again, in milliseconds. */
async function stallTimes(world) {
  const [cutter] = world.cutters;
  const count = (name) => world.eventCounts()[name] ?? 0;
  const start = performance.now();
  const until = async (test) => {
    while (!test()) await pause(50);
    return Math.round(performance.now() - start);
  };
  const before = { suspects: count('carrier.suspect'), attached: count('carrier.attached') };
  cutter.setMode({ how: 'stall' });
  cutter.cutAll();
  const suspectMs = await until(() => count('carrier.suspect') > before.suspects);
  const attachedMs = await until(() => count('carrier.attached') > before.attached);
  return { suspectMs, attachedMs };
}

/** Bulk on a line of 64 kbit/s for `minutes`, with a conversation beside it; then a silent stall. */
async function slowCase(directions, { minutes }) {
  await using world = await startWorld({ cutters: [{ lineKbps: SLOW_KBPS }] });
  const mb = (SLOW_KBPS / 8) * minutes * 60 * 0.85 * 1e-3;
  return await measure(world, async () => {
    const work = runTransfer({ ...world.path, mb, directions, stallMs: SLOW_STALL_MS });
    const [transfers, conversation] = await Promise.all([work, chat(world.path, work)]);
    const falseSuspects = world.eventCounts()['carrier.suspect'] ?? 0;
    const short = runTransfer({ ...world.path, mb: 0.2, directions, stallMs: SLOW_STALL_MS });
    await pause(10_000);
    const stall = await stallTimes(world);
    await short;
    return { ...figures(transfers, SLOW_KBPS), conversation, falseSuspects, stall };
  });
}

const lineCase = (directions, { mb }, extra) => transferCase({ kbps: LINE_KBPS, mb, directions, ...extra });
const cut2s = { mode: { cutAfterMs: 2000 } };

/** By name: what it takes from the sizes, and the sizes. */
export const CASES = {
  'reset-2s': (size) => transferCase({ mode: { cutAfterMs: 2000 }, kbps: BULK_KBPS, mb: size.bulkMb }),
  'stall-10s': (size) => transferCase({ mode: { cutAfterMs: 10_000, how: 'stall' }, kbps: BULK_KBPS, mb: size.bulkMb }),
  'outage-refuse': (size) => outageCase('refuse', { mb: size.bulkMb, outageMs: size.outageMs }),
  'outage-blackhole': (size) => outageCase('blackhole', { mb: size.bulkMb, outageMs: size.outageMs }),
  'addresses-refused': (size) => addressesCase('refuse', { mb: size.bulkMb }),
  'addresses-silent': (size) => addressesCase('blackhole', { mb: size.bulkMb }),
  echo: (size) => echoCase({ seconds: size.echoSeconds }),
  'line-down': (size) => lineCase(['down'], { mb: size.lineMb }, cut2s),
  'line-up': (size) => lineCase(['up'], { mb: size.lineMb }, cut2s),
  'line-both': (size) => lineCase(['down', 'up'], { mb: size.lineMb }, cut2s),
  'line-uncut': (size) => lineCase(['down', 'up'], { mb: size.lineMb }),
  'rotate-age': (size) => lineCase(['down', 'up'], { mb: size.lineMb }, { clientArgs: ['--rotate-after', '5'] }),
  'rotate-bytes': (size) =>
    lineCase(['down', 'up'], { mb: size.lineMb }, { clientArgs: ['--rotate-bytes', '10000000'] }),
  'slow-down': (size) => slowCase(['down'], size),
  'slow-up': (size) => slowCase(['up'], size),
  'slow-both': (size) => slowCase(['down', 'up'], size),
};

/** How large the cases are. */
export const SIZES = {
  full: { bulkMb: BULK_MB, outageMs: 30_000, echoSeconds: 60, lineMb: 60, minutes: 10 },
  quick: { bulkMb: 70, outageMs: 8000, echoSeconds: 15, lineMb: 25, minutes: 1 },
};
