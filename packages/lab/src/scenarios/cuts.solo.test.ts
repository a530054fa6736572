import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import type { Cutter, CutterMode } from '../../../../bench/cutter-core.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { runEcho, runTransfer } from '../../../../bench/integrity.mjs';
import { type CutWorld, startCutWorld } from '../testing/cut-world.ts';

/** What a relay keeps for one session with a carrier at most (DESIGN §3.5). */
const LIVE_SESSION_BYTES = 32 * 2 ** 20;

/** What the application may not see: streams that failed, sessions that ended. */
function assertUnnoticed(world: CutWorld): void {
  for (const event of ['stream.failed', 'session.closed', 'proxy.refused']) assert.equal(world.count(event), 0, event);
}

/** The most that client and relay held at a time for their sessions, while `work` ran. */
async function watchMemory(world: CutWorld, work: Promise<unknown>): Promise<{ client: number; relay: number }> {
  const most = { client: 0, relay: 0 };
  const timer = setInterval(() => {
    const held = world.client.pool.sessions.reduce((sum, { client }) => sum + client.session.heldBytes, 0);
    most.client = Math.max(most.client, held);
    most.relay = Math.max(most.relay, world.relay.relay.status().heldBytes);
  }, 20);
  try {
    await work;
  } finally {
    clearInterval(timer);
  }
  return most;
}

/** So many MB each way at once, every byte compared and hashed; fails where the application would have seen an error. */
async function transferThrough(mode: CutterMode, options: { mb: number; leastCuts: number }): Promise<CutWorld> {
  await using world = await startCutWorld({ modes: [mode] });
  const most = await watchMemory(world, runTransfer({ ...world.path, mb: options.mb }));
  assertUnnoticed(world);
  assert.ok(world.cuts() >= options.leastCuts, `${world.cuts()} cuts`);
  // What is read or sealed at the moment when it comes to its bound is on top.
  assert.ok(most.relay <= 1.1 * LIVE_SESSION_BYTES, `the relay held ${most.relay} bytes`);
  // The client's windows are as large as the relay's bound.
  assert.ok(most.client <= 2 * LIVE_SESSION_BYTES, `the client held ${most.client} bytes`);
  return world;
}

describe('a download and an upload at once', () => {
  it('go on while carriers are reset again and again', async () => {
    await transferThrough({ cutAfterMs: 100, how: 'rst' }, { mb: 120, leastCuts: 3 });
  });

  it('go on while carriers end cleanly again and again', async () => {
    await transferThrough({ cutAfterMs: 100, how: 'fin' }, { mb: 120, leastCuts: 3 });
  });

  it('go on while carriers fall silent', async () => {
    const world = await transferThrough(
      { cutAfterMs: 1000, how: 'stall', cuts: 2, lineKbps: 100_000 },
      { mb: 30, leastCuts: 2 },
    );
    assert.ok(world.count('carrier.suspect') >= 2);
  });
});

describe('an outage', () => {
  for (const way of ['refuse', 'blackhole'] as const) {
    it(`of several seconds is survived (${way})`, async () => {
      await using world = await startCutWorld({ modes: [{ lineKbps: 40_000 }] });
      const transfer = runTransfer({ ...world.path, mb: 10 });
      const echo = runEcho({ ...world.path, seconds: 1 });
      await pause(500);
      await world.cutters[0]?.outage(true, way);
      await pause(7000);
      await world.cutters[0]?.outage(false);
      await Promise.all([transfer, echo]);
      assertUnnoticed(world);
    });
  }
});

describe('an entry of two addresses', () => {
  const die = (cutter: Cutter | undefined, way: 'refuse' | 'blackhole') => cutter?.outage(true, way);

  for (const way of ['refuse', 'blackhole'] as const) {
    it(`serves while the first is dead, then back and the second dead (${way})`, async () => {
      await using world = await startCutWorld({
        modes: [{ lineKbps: 20_000 }, { lineKbps: 20_000 }],
        prepare: async ([first]) => die(first, way),
      });
      const [first, second] = world.cutters;
      const transfer = runTransfer({ ...world.path, mb: 15 });
      await pause(1000);
      await first?.outage(false);
      await die(second, way);
      await transfer;
      assertUnnoticed(world);
      assert.ok((first?.carried.down ?? 0) > 10_000_000, 'nearly all went by the first');
      assert.ok((second?.carried.down ?? 0) > 100_000, 'something went by the second');
    });
  }
});

describe('a conversation', () => {
  it('of random bytes both ways goes on while carriers are cut, in little memory', async () => {
    await using world = await startCutWorld({ modes: [{ cutAfterMs: 400 }] });
    const echoes = Array.from({ length: 4 }, () => runEcho({ ...world.path, seconds: 8 }));
    const most = await watchMemory(world, Promise.all(echoes));
    assertUnnoticed(world);
    assert.ok(world.cuts() >= 10, `${world.cuts()} cuts`);
    assert.ok(most.relay <= LIVE_SESSION_BYTES / 8, `the relay held ${most.relay} bytes`);
    assert.ok(most.client <= LIVE_SESSION_BYTES / 8, `the client held ${most.client} bytes`);
  });
});
