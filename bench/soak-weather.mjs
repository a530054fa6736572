// A line that changes at random: what `soak.mjs` does to its cutter. The same seed gives the same changes at the same times.
import { createHash } from 'node:crypto';
import { pause } from './launch.mjs';

const LEAST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 8000;
const SLOWEST_KBPS = 64;
const FASTEST_KBPS = 200_000;
/** More than this machine moves: what a line is set to before it is taken away, since connections keep the one that they have. */
const NO_LIMIT_KBPS = 100_000_000;
const UNLIMITED_SHARE = 0.25;
const LONGEST_DELAY_MS = 300;
const LONGEST_OUTAGE_MS = 8000;

/** Fractions in [0, 1) that depend on the seed alone. */
function seededFractions(seed) {
  let block = createHash('sha256').update(`${seed}`).digest();
  let used = 0;
  return () => {
    if (used === block.length) {
      block = createHash('sha256').update(block).digest();
      used = 0;
    }
    used += 4;
    return block.readUInt32BE(used - 4) / 2 ** 32;
  };
}

const pickOf = (fraction, list) => list[Math.floor(fraction() * list.length)];

function cut(how) {
  return (cutter) => {
    cutter.setMode({ how });
    cutter.cutAll();
  };
}

/** A rate between the two, each order of magnitude as likely as any other; or none. */
function rate(fraction) {
  const isUnlimited = fraction() < UNLIMITED_SHARE;
  const kbps = Math.round(SLOWEST_KBPS * (FASTEST_KBPS / SLOWEST_KBPS) ** fraction());
  return {
    kind: 'rate',
    name: isUnlimited ? 'no limit' : `${kbps} kbit/s`,
    apply: (cutter) => {
      cutter.setMode({ lineKbps: isUnlimited ? NO_LIMIT_KBPS : kbps });
      if (isUnlimited) cutter.setMode({ lineKbps: 0 });
    },
  };
}

/** Holds for connections from then on, so those that are there end. */
function delay(fraction) {
  const delayMs = fraction() < 0.4 ? 0 : Math.round(LONGEST_DELAY_MS * fraction());
  const how = pickOf(fraction, ['rst', 'fin']);
  return {
    kind: 'delay',
    name: `${delayMs} ms delay`,
    apply: (cutter) => {
      cutter.setMode({ delayMs });
      cut(how)(cutter);
    },
  };
}

function outage(fraction) {
  const way = pickOf(fraction, ['refuse', 'blackhole']);
  const forMs = Math.round(1000 + (LONGEST_OUTAGE_MS - 1000) * fraction());
  return {
    kind: 'outage',
    name: `${way} for ${(forMs / 1000).toFixed(1)} s`,
    apply: async (cutter) => {
      await cutter.outage(true, way);
      await pause(forMs);
      await cutter.outage(false);
    },
  };
}

/** What may come next, as often as it stands here. */
const CHANGES = [
  ...[rate, rate, rate, rate, delay, outage],
  ...['rst', 'rst', 'fin', 'stall'].map((how) => () => ({ kind: how, name: how, apply: cut(how) })),
];

/** The changes of a seed, without end, each with the time that passes before the next. */
export function* changesOf(seed) {
  const fraction = seededFractions(seed);
  for (;;) {
    const change = pickOf(fraction, CHANGES)(fraction);
    yield { ...change, pauseMs: LEAST_PAUSE_MS + (LONGEST_PAUSE_MS - LEAST_PAUSE_MS) * fraction() };
  }
}

/** Changes a cutter's line until `calm` is called. */
export class Weather {
  /** How often each kind of change came. */
  counts = {};
  /** The change that came last. */
  latest = 'no limit';
  #cutter;
  #isOver = false;
  #done;

  constructor(cutter, seed) {
    this.#cutter = cutter;
    this.#done = this.#run(changesOf(seed));
  }

  async #run(changes) {
    for (const { kind, name, apply, pauseMs } of changes) {
      if (this.#isOver) return;
      this.latest = name;
      this.counts[kind] = (this.counts[kind] ?? 0) + 1;
      await apply(this.#cutter);
      await pause(pauseMs);
    }
  }

  /** Ends the changes, with the line free again. */
  async calm() {
    this.#isOver = true;
    await this.#done;
    this.#cutter.setMode({ lineKbps: NO_LIMIT_KBPS, delayMs: 0, how: 'rst' });
    this.#cutter.setMode({ lineKbps: 0 });
    this.#cutter.cutAll();
    this.latest = 'calm';
  }
}
