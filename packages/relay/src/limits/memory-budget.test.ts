import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import {
  type BudgetBounds,
  budgetBounds,
  type EvictionCause,
  MemoryBudget,
  type SessionAccount,
} from './memory-budget.ts';

const BOUNDS: BudgetBounds = {
  totalBytes: 1_000,
  liveSessionBytes: 400,
  detachedSessionBytes: 100,
  oversizeShare: 0.5,
  resumeShare: 0.9,
  retentionMs: 300_000,
  perChannel: 100,
  perPrefix: 100,
};

interface Member {
  readonly account: SessionAccount;
  evicted: EvictionCause | null;
}

function setUp(bounds: Partial<BudgetBounds> = {}) {
  const clock = new ManualClock();
  const budget = new MemoryBudget(clock, { ...BOUNDS, ...bounds });
  const register = ({ channel = 'default', prefix = null as string | null } = {}): Member => {
    let evicted: EvictionCause | null = null;
    const evict = (cause: EvictionCause): void => {
      evicted = cause;
    };
    const account = budget.register({ channel, prefix, evict });
    return {
      account,
      get evicted() {
        return evicted;
      },
    };
  };
  return { clock, budget, register };
}

test('the budget is a quarter of the machine, and never tiny', () => {
  assert.equal(budgetBounds(8 * 2 ** 30).totalBytes, 2 * 2 ** 30);
  assert.equal(budgetBounds(2 ** 20).totalBytes, 64 * 2 ** 20);
  assert.equal(budgetBounds(8 * 2 ** 30).liveSessionBytes, 30 * 2 ** 20);
  assert.equal(budgetBounds(8 * 2 ** 30).detachedSessionBytes, 256 * 2 ** 10);
});

test('a session over its own bound is told to stop and called back when there is room', () => {
  const { budget, register } = setUp();
  const { account } = register();
  let calls = 0;
  const onRoom = () => {
    calls += 1;
  };
  assert.equal(account.charge(400), true);
  assert.equal(account.charge(1), false);
  account.onRoom(onRoom);
  account.release(1);
  assert.equal(account.hasRoom(), true);
  assert.equal(calls, 0, 'not at every byte');
  account.release(40);
  assert.equal(calls, 1);
  account.release(400);
  assert.equal(calls, 1);
  assert.equal(account.bytes, 0);
  assert.equal(budget.chargedBytes, 0);
  account.onRoom(onRoom);
  assert.equal(calls, 2);
});

test('over the relay-wide budget live sessions wait and detached ones go, the longest detached first', async () => {
  const { clock, budget, register } = setUp({ oversizeShare: 1 });
  const [first, second, live] = [register(), register(), register()];
  first.account.charge(90);
  second.account.charge(300);
  second.account.detach();
  await clock.advance(1_000);
  first.account.detach();
  assert.equal(live.account.charge(400), true);
  const other = register();
  assert.equal(other.account.charge(300), true);
  assert.equal(second.evicted, 'memory');
  assert.equal(first.evicted, null);
  assert.equal(budget.chargedBytes, 790);
  assert.equal(other.account.charge(100), true);
  const third = register();
  assert.equal(third.account.charge(300), false);
  assert.equal(first.evicted, 'memory');
  let calls = 0;
  third.account.onRoom(() => {
    calls += 1;
  });
  live.account.release(100);
  assert.equal(calls, 0);
  live.account.close();
  assert.equal(calls, 1);
});

test('what a detached session holds beyond its due is kept only while there is room to spare', () => {
  const { register } = setUp();
  const [large, small, live] = [register(), register(), register()];
  large.account.charge(400);
  large.account.detach();
  small.account.charge(100);
  small.account.detach();
  assert.equal(large.evicted, null);
  live.account.charge(1);
  assert.equal(large.evicted, 'memory');
  assert.equal(small.evicted, null);
});

test('a session that has a carrier again is no longer at risk', async () => {
  const { clock, budget, register } = setUp();
  const member = register();
  const { account } = member;
  account.charge(300);
  account.detach();
  account.detach();
  assert.equal(budget.detachedCount, 1);
  account.attach();
  assert.equal(budget.detachedCount, 0);
  await clock.advance(10 * BOUNDS.retentionMs);
  assert.equal(member.evicted, null);
});

test('detached sessions are kept for the retention, each from its own detaching', async () => {
  const { clock, budget, register } = setUp();
  const [first, second] = [register(), register()];
  first.account.detach();
  await clock.advance(1_000);
  second.account.detach();
  await clock.advance(BOUNDS.retentionMs - 1_000);
  assert.equal(first.evicted, 'retention');
  assert.equal(second.evicted, null);
  second.account.attach();
  second.account.detach();
  await clock.advance(BOUNDS.retentionMs - 1);
  assert.equal(second.evicted, null);
  await clock.advance(1);
  assert.equal(second.evicted, 'retention');
  budget.close();
  assert.equal(clock.pendingTimers, 0);
});

test('detached sessions are capped per channel and per prefix', () => {
  const { register } = setUp({ perChannel: 3, perPrefix: 2 });
  const members = [
    register({ channel: 'a', prefix: 'p' }),
    register({ channel: 'a', prefix: 'p' }),
    register({ channel: 'b', prefix: 'p' }),
    register({ channel: 'a' }),
    register({ channel: 'a' }),
    register({ channel: 'a' }),
  ];
  for (const { account } of members) account.detach();
  assert.deepEqual(
    members.map((member) => member.evicted),
    ['detached-cap', 'detached-cap', null, null, null, null],
  );
});

test('the sum is always that of the open accounts, and over budget nothing is detached', () => {
  type Step = readonly [member: number, act: 'charge' | 'release' | 'detach' | 'attach' | 'close', bytes: number];
  const step: fc.Arbitrary<Step> = fc.tuple(
    fc.nat({ max: 5 }),
    fc.constantFrom('charge' as const, 'release' as const, 'detach' as const, 'attach' as const, 'close' as const),
    fc.nat({ max: 300 }),
  );
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const { budget, register } = setUp();
      const members = Array.from({ length: 6 }, () => register());
      for (const [index, act, bytes] of steps) {
        const account = members[index]?.account;
        if (account === undefined) continue;
        if (act === 'charge' || act === 'release') account[act](bytes);
        else account[act]();
        assert.equal(
          budget.chargedBytes,
          members.reduce((sum, each) => sum + each.account.bytes, 0),
        );
        assert.ok(budget.chargedBytes <= BOUNDS.totalBytes || budget.detachedCount === 0);
        assert.ok(members.every((each) => each.evicted === null || each.account.bytes === 0));
      }
      budget.close();
    }),
  );
});
