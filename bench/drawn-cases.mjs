// Limits drawn anew in each run, which the client is told nothing of: an age, bytes or a rate for each connection. First it learns, then it is measured.
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { startWorld } from './cuts-world.mjs';
import { parseProxy } from './dial.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { runTransfer } from './integrity.mjs';
import { pause } from './launch.mjs';
import { open } from './measures.mjs';

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

/** How many of the carriers' connections a censor may see at once (C33). */
export const MOST_CONNECTIONS = 12;

const percentile = (times, share) =>
  Math.round(times.toSorted((a, b) => a - b)[Math.floor(share * (times.length - 1))]);

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

/** The world of a drawn limit; what was measured in it, beside the same conversation of a client whose connections nobody limits. */
async function drawnCase({ mode, isLearnt, lineKbps = LINE_KBPS, withBulk = false, fileMb = 0, talkMs }) {
  await using world = await startWorld({ cutters: [{ lineKbps, delayMs: DELAY_MS, ...mode }] });
  await using control = await startWorld({ cutters: [{ delayMs: DELAY_MS }], clientArgs: ['--carriers', '1'] });
  using watch = watchConnections(Number(world.cutters[0].address.split(':').at(-1)));
  const learntS = await learn(world, { isLearnt, withBulk });
  const talk = ({ path }) => converse([parseProxy(path.socks)], path.originPort, forMs(talkMs));
  const [times, direct] = await Promise.all([talk(world), talk(control)]);
  const file =
    fileMb === 0 ? null : await runTransfer({ ...world.path, mb: fileMb, directions: ['down'], stallMs: STALL_MS });
  const { cutAfterMs, bytesUntilCut, carriers } = lastAdapted(world) ?? {};
  return {
    limit: mode,
    learnt: { seconds: learntS, cutAfterMs, bytesUntilCut, carriers },
    stallP99Ms: percentile(times, 0.99) - percentile(direct, 0.99),
    stallMostMs: Math.round(Math.max(...times)) - percentile(direct, 0.99),
    ...(file && { lineShare: Number(((file[0].bytes * 8) / file[0].seconds / 1000 / lineKbps).toFixed(3)) }),
    mostConnections: watch.most,
    ok: watch.most <= MOST_CONNECTIONS,
  };
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
