// Limits drawn anew in each run, which the client is told nothing of: an age, bytes or a rate for each connection. First it learns, then it is measured.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { startWorld } from './cuts-world.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, cutter-core.d.mts, imported.
import { createCutter } from './cutter-core.mjs';
import { parseProxy } from './dial.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { runTransfer } from './integrity.mjs';
import { HOST, pause } from './launch.mjs';
import { open } from './measures.mjs';
import { quantile } from './statistics.mjs';

/** A household's line where such limits were met (spring 2013); a limit of bytes bounds what several carriers can do, whatever the line. */
const LINE_KBPS = 2000;
const FAST_LINE_KBPS = 20_000;
const DELAY_MS = 25;
const LEARNING_MS = 600_000;
const MESSAGE_BYTES = 100;
const MESSAGE_EVERY_MS = 200;
const STALL_MS = 600_000;
/** As /proc/net/tcp has it. */
const ESTABLISHED = '01';

/** What is to be reached (docs/benchmarks.md); connections: how many a censor may see at once (C33). */
export const AIMS = {
  stallP99Ms: { most: 500 },
  lineShare: { least: 0.3 },
  mostConnections: { most: 12 },
};

/** The aims that a row has missed, by name; a figure that was not measured misses none. */
function missed(row) {
  return Object.entries(AIMS)
    .filter(([name, { least = Number.NEGATIVE_INFINITY, most = Number.POSITIVE_INFINITY }]) => {
      const value = row[name];
      return value !== undefined && !(value >= least && value <= most);
    })
    .map(([name]) => name);
}

/** A message each 200 ms while `isOn`, compared when it comes back; the milliseconds that each took. */
async function converse(chain, originPort, isOn) {
  const stream = await open({ chain, origin: { port: originPort } }, STALL_MS);
  stream.write('GET /hold HTTP/1.1\r\nHost: origin\r\n\r\n');
  await stream.readHead();
  const times = [];
  for (let count = 0; isOn(); count += 1) {
    const message = `${count}`.padEnd(MESSAGE_BYTES, '.');
    const start = performance.now();
    stream.write(message);
    const back = await stream.read(MESSAGE_BYTES);
    if (String(back) !== message) throw new Error('another message came back than was sent');
    times.push(performance.now() - start);
    await pause(MESSAGE_EVERY_MS);
  }
  stream.destroy();
  return times;
}

const forMs = (durationMs) => {
  const endMs = performance.now() + durationMs;
  return () => performance.now() < endMs;
};

/** The most connections to a port that were established at one moment, as the kernel has them at the side that dials. */
function watchConnections(port) {
  const remote = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const watch = { most: 0, [Symbol.dispose]: () => clearInterval(timer) };
  const timer = setInterval(() => {
    const lines = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
    const open = lines.filter((line) => {
      const [, , to = '', state] = line.trim().split(/\s+/);
      return to.endsWith(remote) && state === ESTABLISHED;
    });
    watch.most = Math.max(watch.most, open.length);
  }, 100);
  return watch;
}

const portOf = ({ address }) => Number(address.split(':').at(-1));

const lastAdapted = (world) => world.events().findLast(({ event }) => event === 'carriers.adapted') ?? null;

/** Uses the connection until the client tells of what `isLearnt` waits for; seconds. */
async function learn(world, { isLearnt, withBulk }) {
  const start = performance.now();
  let isOver = false;
  const patience = forMs(LEARNING_MS);
  const chat = converse([parseProxy(world.path.socks)], world.path.originPort, () => !isOver);
  while (!isLearnt(lastAdapted(world)) && patience()) {
    if (withBulk) await runTransfer({ ...world.path, mb: 0.3, directions: ['down'], stallMs: STALL_MS });
    else await pause(500);
  }
  isOver = true;
  await chat;
  if (!isLearnt(lastAdapted(world))) throw new Error('the client has learnt nothing in ten minutes');
  return Math.round((performance.now() - start) / 1000);
}

/** How many carriers have come to which end since the event at this index. */
function endsSince(world, index) {
  const lost = world
    .events()
    .slice(index)
    .filter(({ event }) => event === 'carrier.lost');
  const byCause = Object.entries(Object.groupBy(lost, ({ cause }) => cause));
  return Object.fromEntries(byCause.map(([cause, list]) => [cause, list.length]));
}

/** The world of a drawn limit; what was measured in it, beside the same conversation over a connection of its own, without a tunnel, through such a line. */
async function drawnCase({ mode, isLearnt, lineKbps = LINE_KBPS, withBulk = false, fileMb = 0, talkMs }) {
  const line = { lineKbps, delayMs: DELAY_MS };
  await using world = await startWorld({ cutters: [{ ...line, ...mode }] });
  await using direct = await createCutter({ ...line, target: `${HOST}:${world.path.originPort}` });
  using watch = watchConnections(portOf(world.cutters[0]));
  const learntS = await learn(world, { isLearnt, withBulk });
  const { length: learntAt } = world.events();
  const [times, control] = await Promise.all([
    converse([parseProxy(world.path.socks)], world.path.originPort, forMs(talkMs)),
    converse([], portOf(direct), forMs(talkMs)),
  ]);
  const file =
    fileMb === 0 ? null : await runTransfer({ ...world.path, mb: fileMb, directions: ['down'], stallMs: STALL_MS });
  const { cutAfterMs, bytesUntilCut, carriers } = lastAdapted(world) ?? {};
  const controlP99Ms = Math.round(quantile(control, 0.99));
  const row = {
    limit: mode,
    learnt: { seconds: learntS, cutAfterMs, bytesUntilCut, carriers },
    controlP99Ms,
    stallP99Ms: Math.round(quantile(times, 0.99)) - controlP99Ms,
    stallMostMs: Math.round(Math.max(...times)) - controlP99Ms,
    ...(file && {
      fileMb,
      fileSeconds: Math.round(file[0].seconds),
      lineShare: Number(((file[0].bytes * 8) / file[0].seconds / 1000 / lineKbps).toFixed(3)),
    }),
    mostConnections: watch.most,
    ends: endsSince(world, learntAt),
  };
  return { ...row, aims: AIMS, missed: missed(row) };
}

const draw = (least, most) => randomInt(least, most + 1);

/** By name; each takes sizes and gives a row. */
export const DRAWN_CASES = {
  'drawn-age': ({ talkMs }) =>
    drawnCase({ mode: { cutAfterMs: draw(20_000, 90_000) }, isLearnt: (last) => last?.cutAfterMs != null, talkMs }),
  'drawn-bytes': ({ talkMs }) =>
    drawnCase({
      mode: { cutAfterBytes: draw(9000, 40_000), how: 'stall' },
      isLearnt: (last) => last?.bytesUntilCut != null,
      withBulk: true,
      talkMs,
    }),
  'drawn-rate': ({ talkMs }) =>
    drawnCase({
      mode: { throttleKbps: draw(100, 2000) },
      isLearnt: (last) => last?.carriers > 1,
      lineKbps: FAST_LINE_KBPS,
      withBulk: true,
      talkMs,
    }),
  'drawn-freeze': ({ talkMs, fileMb }) =>
    drawnCase({
      mode: { cutAfterBytes: draw(16_000, 20_000), how: 'stall' },
      isLearnt: (last) => last?.bytesUntilCut != null,
      withBulk: true,
      fileMb,
      talkMs,
    }),
};
