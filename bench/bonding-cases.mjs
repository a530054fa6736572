// What `bonding.mjs` tries. Each case returns a row for every setup and direction: goodput in Mbit/s and as a share of what the lines
// allow, how many carriers the client made, and for some a bound that the ratio to the case's first setup has to keep.

import { startWorld } from './cuts-world.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, cutter-core.d.mts, imported.
import { createCutter } from './cutter-core.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations, integrity.d.mts, imported.
import { runTransfer, startOrigin } from './integrity.mjs';
import { HOST, pause } from './launch.mjs';

/** How much of the carriers' number has to come out as goodput: 7 of 8. */
const LEAST_GAIN = 7 / 8;
/** What more carriers may cost where they gain nothing. */
const LEAST_ON_SHARED_LINE = 0.95;
const LEAST_BESIDE_SLOW_LANES = 0.9;
/** The slow lanes of the case `lanes` are slower than the fast one by this factor, each. */
const SLOWER = 20;
const LANES = 4;
const ATTACH_MS = 15_000;
const STALL_MS = 120_000;

const megabytes = (kbps, seconds) => (kbps / 8000) * seconds;

/** Transfers one after the other, each of `seconds` on a full line of `kbps`. */
async function transfers(path, { kbps, directions, seconds }) {
  const rows = [];
  for (const direction of directions) {
    const [moved] = await runTransfer({
      ...path,
      mb: megabytes(kbps, seconds),
      directions: [direction],
      stallMs: STALL_MS,
    });
    const mbps = moved.mbPerSecond * 8;
    rows.push({ direction, mbps, share: (mbps * 1000) / kbps, longestGapMs: moved.longestGapMs });
  }
  return rows;
}

/** The same by client and relay with so many carriers, which together may carry `kbps`. */
async function bonded({ cutters, carriers, ...work }) {
  await using world = await startWorld({ cutters, clientArgs: ['--carriers', `${carriers}`] });
  const attached = () => world.eventCounts()['carrier.attached'] ?? 0;
  const patience = AbortSignal.timeout(ATTACH_MS);
  while (attached() < carriers) {
    if (patience.aborted) throw new Error(`only ${attached()} of ${carriers} carriers were attached`);
    await pause(50);
  }
  const rows = await transfers(world.path, work);
  const counts = world.eventCounts();
  for (const name of ['stream.failed', 'session.closed']) {
    if (counts[name]) throw new Error(`the client tells of ${name}`);
  }
  return rows.map((row) => ({ ...row, carriers: attached() }));
}

/** A plain connection over a line of its own. */
async function control(mode, work) {
  const origin = await startOrigin();
  try {
    await using cutter = await createCutter({ target: `${HOST}:${origin.port}`, ...mode });
    const rows = await transfers({ originPort: Number(cutter.address.split(':').at(-1)) }, work);
    return rows.map((row) => ({ ...row, carriers: 0 }));
  } finally {
    origin.stop();
  }
}

const named = (kind, name, rows, bound) =>
  rows.map((row) => ({ case: kind, name, ...row, ...(bound === undefined ? {} : { bound }) }));

async function throttle({ carriers: numbers, throttleKbps, directions, seconds, onProgress }) {
  const [first] = numbers;
  const rows = [];
  for (const carriers of numbers) {
    onProgress(`throttle: ${carriers} × ${throttleKbps} kbit/s`);
    const work = { kbps: carriers * throttleKbps, directions, seconds };
    const figures = await bonded({ cutters: [{ throttleKbps }], carriers, ...work });
    const bound = carriers === first ? undefined : (LEAST_GAIN * carriers) / first;
    rows.push(...named('throttle', `${carriers} carriers`, figures, bound));
  }
  onProgress('throttle: plain');
  const plain = await control({ throttleKbps }, { kbps: throttleKbps, directions, seconds });
  return [...rows, ...named('throttle', 'plain connection', plain)];
}

async function shared({ carriers: numbers, lineKbps, directions, seconds, onProgress }) {
  const rows = [];
  const work = { kbps: lineKbps, directions, seconds };
  for (const carriers of numbers) {
    onProgress(`shared: ${carriers} carriers on ${lineKbps} kbit/s`);
    const figures = await bonded({ cutters: [{ lineKbps }], carriers, ...work });
    rows.push(
      ...named('shared', `${carriers} carriers`, figures, carriers === numbers[0] ? undefined : LEAST_ON_SHARED_LINE),
    );
  }
  onProgress('shared: plain');
  return [...rows, ...named('shared', 'plain connection', await control({ lineKbps }, work))];
}

/** The entry names an address on a fast line and one whose connections are slow; carriers go to both. */
async function lanes({ lineKbps, directions, seconds, onProgress }) {
  const work = { directions, seconds, kbps: lineKbps };
  const fast = { lineKbps };
  onProgress('lanes: the fast one alone');
  const alone = await bonded({ cutters: [fast], carriers: 1, ...work });
  const slow = { throttleKbps: lineKbps / SLOWER };
  onProgress(`lanes: beside slow ones of ${slow.throttleKbps} kbit/s`);
  const mixed = await bonded({ cutters: [fast, slow], carriers: LANES, ...work });
  return [
    ...named('lanes', 'the fast one alone', alone),
    ...named('lanes', `${LANES} carriers over both`, mixed, LEAST_BESIDE_SLOW_LANES),
  ];
}

/** By name. */
export const CASES = { throttle, shared, lanes };
