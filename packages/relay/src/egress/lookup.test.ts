import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '@rozan/tunnel/testing';
import { joinFamilies, systemLookup } from './lookup.ts';

const resolutionDelayMs = 50;
const V4 = [{ address: '192.0.2.1', ttl: 30 }];
const V6 = [{ address: '2001:db8::1', ttl: 60 }];

test('both families are joined, with the shorter time to live', async () => {
  const clock = new ManualClock();
  const answer = await joinFamilies(clock, { ipv4: Promise.resolve(V4), ipv6: Promise.resolve(V6), resolutionDelayMs });
  assert.deepEqual([...answer.addresses].sort(), ['192.0.2.1', '2001:db8::1']);
  assert.equal(answer.ttlMs, 30_000);
});

test('a family that does not answer is waited for only briefly once the other has', async () => {
  const clock = new ManualClock();
  const joined = joinFamilies(clock, {
    ipv4: Promise.resolve(V4),
    ipv6: new Promise(() => undefined),
    resolutionDelayMs,
  });
  assert.deepEqual((await clock.runUntil(joined, 50)).addresses, ['192.0.2.1']);
  assert.equal(clock.pendingTimers, 0);
});

test('a family without addresses, or that fails, costs nothing', async () => {
  const clock = new ManualClock();
  for (const ipv4 of [Promise.resolve([]), Promise.reject(new Error('none'))]) {
    const answer = await joinFamilies(clock, { ipv4, ipv6: Promise.resolve(V6), resolutionDelayMs });
    assert.deepEqual(answer.addresses, ['2001:db8::1']);
  }
});

test('when both fail, the first failure is passed on', async () => {
  const clock = new ManualClock();
  const ipv4 = Promise.reject(Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
  const ipv6 = Promise.reject(Object.assign(new Error('none'), { code: 'ENODATA' }));
  await assert.rejects(joinFamilies(clock, { ipv4, ipv6, resolutionDelayMs }), { code: 'ENOTFOUND' });
});

test("the machine's own resolver knows localhost", async () => {
  const { addresses } = await systemLookup('localhost');
  assert.ok(addresses.includes('127.0.0.1') || addresses.includes('::1'));
});
