import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecordOpener, RecordSealer } from '@rozan/protocol';
import type { Conn, Env } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { EgressError } from './egress/egress-error.ts';
import { UNCONFIRMED_BOUNDS } from './limits/constants.ts';
import { budgetBounds, MemoryBudget } from './limits/memory-budget.ts';
import { SourceLimits } from './limits/source-limits.ts';
import type { SessionCounters } from './relay-session.ts';
import { SessionRegistry } from './session-registry.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };
const KEYS = { aeadKey: Buffer.alloc(32, 1), lengthKey: Buffer.alloc(32, 2) };

const NO_COUNTERS: SessionCounters = {
  streamOpened() {},
  streamClosed() {},
  dialled() {},
  moved() {},
  carrierAttached() {},
  carrierLost() {},
  flowOpened() {},
  flowClosed() {},
  datagramsMoved() {},
  datagramsDropped() {},
};

async function setUp() {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(4), log: () => {} };
  const refuse = () => Promise.reject(new EgressError('busy'));
  const registry = new SessionRegistry({
    env,
    egress: { connect: refuse, locate: refuse },
    budget: new MemoryBudget(clock, budgetBounds(2 ** 30)),
    streamsPerSession: 16,
    counters: NO_COUNTERS,
  });
  const limits = new SourceLimits(clock, env.random);
  const arrivals: ((conn: Conn) => void)[] = [];
  await network.listen(ADDRESS, (conn) => arrivals.shift()?.(conn));
  /** A session as a client with the channel's secret makes it, whose connection ends before a record has come. */
  const abandonOne = async (address: string, secret: number) => {
    const permit = limits.openSession(limits.sourceOf(address), 'channel');
    assert.ok(permit !== null);
    const arrival = new Promise<Conn>((resolve) => arrivals.push(resolve));
    const dialled = await clock.runUntil(network.dial(ADDRESS), 1000);
    const bytes = Buffer.alloc(32);
    bytes.writeUInt32BE(secret);
    const session = registry.create(permit, bytes);
    const sealing = { sealer: new RecordSealer(KEYS), opener: new RecordOpener(KEYS) };
    session.attach(
      { carrierId: 0, transport: 'memory', conn: await arrival, ...sealing, roundTripMs: null },
      Buffer.alloc(0),
    );
    dialled.destroy();
    await clock.settle();
    return session;
  };
  return { clock, registry, limits, abandonOne };
}

describe('sessions whose first carrier died before anything came on it', () => {
  it('are kept for a short time', async () => {
    const { clock, registry, limits, abandonOne } = await setUp();
    await abandonOne('192.0.2.1', 1);
    await clock.advance(UNCONFIRMED_BOUNDS.retentionMs - 1000);
    assert.equal(registry.size, 1);
    await clock.advance(2000);
    assert.deepEqual([registry.size, limits.sessionCount], [0, 0]);
  });

  it('are few of one source, the latest ones', async () => {
    const { registry, abandonOne } = await setUp();
    const first = await abandonOne('192.0.2.1', 0);
    const other = await abandonOne('198.51.100.1', 1);
    for (let made = 0; made < UNCONFIRMED_BOUNDS.perPrefix; made += 1) await abandonOne('192.0.2.1', 2 + made);
    assert.equal(registry.size, UNCONFIRMED_BOUNDS.perPrefix + 1);
    assert.ok(first.session.closed && !other.session.closed);
    registry.closeAll('relay-shutdown');
  });
});
