import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { createCutter } from '../../../../bench/cutter-core.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { runTransfer } from '../../../../bench/integrity.mjs';
import { type CutWorldOptions, startCutWorld } from '../testing/cut-world.ts';

type Direction = 'down' | 'up';

/** A user's line that all carriers share, in kilobits a second. */
const LINE_KBPS = 20_000;
/**
 * What all of it in one process, on a machine with other work, may take away from what is promised: with one direction, and with two, which
 * wait for each other. (In simulated time, where nothing blurs it, the session's own tests ask for all of it.)
 */
const SLACK = { 1: 0.05, 2: 0.2 };

/** What came of one transfer. */
interface Outcome {
  /** For each direction its goodput, as a share of what a plain connection gets over such a line at the same time. */
  readonly shares: readonly number[];
  readonly carriers: number;
  readonly causes: readonly unknown[];
}

interface Setup {
  readonly cutAfterMs?: number;
  readonly rotation?: CutWorldOptions['rotation'];
  readonly mb: number;
  readonly directions: readonly Direction[];
}

async function goodput({ cutAfterMs = 0, rotation, mb, directions }: Setup): Promise<Outcome> {
  await using world = await startCutWorld({ modes: [{ lineKbps: LINE_KBPS, cutAfterMs }], rotation });
  const { originPort } = world.path;
  // Another line without cuts and tunnel, on the same machine at the same time, says how good this one can be.
  await using control = await createCutter({ target: `127.0.0.1:${originPort}`, lineKbps: LINE_KBPS });
  const straight = { originPort: Number(control.address.split(':').at(-1)) };
  const [results, plain] = await Promise.all([
    runTransfer({ ...world.path, mb, directions }),
    runTransfer({ ...straight, mb, directions }),
  ]);
  assert.equal(world.count('stream.failed'), 0);
  return {
    shares: results.map(({ mbPerSecond }, index) => mbPerSecond / (plain[index]?.mbPerSecond ?? 0)),
    carriers: world.count('carrier.attached'),
    causes: world.events.filter(({ event }) => event === 'carrier.lost').map(({ cause }) => cause),
  };
}

describe('a line of 20 Mbit/s', () => {
  for (const directions of [['down'], ['up'], ['down', 'up']] as Direction[][]) {
    it(`is used to 90 % while the carrier is cut every 2 s: ${directions.join(' and ')}`, async () => {
      const { shares, carriers } = await goodput({ cutAfterMs: 2000, mb: 20, directions });
      assert.ok(carriers >= 4, `${carriers} carriers`);
      const least = 0.9 - SLACK[directions.length === 1 ? 1 : 2];
      for (const share of shares) assert.ok(share >= least, `goodput is ${share} of the line`);
    });
  }

  for (const [name, rotation] of [
    ['age', { ageMs: [1000, 2000], bytes: null }],
    ['bytes', { ageMs: null, bytes: [3_000_000, 5_000_000] }],
  ] as const) {
    it(`loses next to nothing to rotation by ${name}`, async () => {
      const { shares, carriers, causes } = await goodput({ rotation, mb: 15, directions: ['down', 'up'] });
      assert.ok(carriers >= 4, `${carriers} carriers`);
      assert.deepEqual([...new Set(causes)], ['retired']);
      for (const share of shares) assert.ok(share >= 0.95 - SLACK[2], `goodput is ${share} of the line`);
    });
  }
});
