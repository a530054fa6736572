import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from './manual-clock.ts';

test('stands still until it is moved', async () => {
  const clock = new ManualClock(1000);
  assert.deepEqual([clock.wallMs(), clock.monotonicMs()], [1000, 0]);
  await clock.advance(250);
  assert.deepEqual([clock.wallMs(), clock.monotonicMs()], [1250, 250]);
  clock.setWallMs(5);
  assert.deepEqual([clock.wallMs(), clock.monotonicMs()], [5, 250]);
  await clock.advance(5);
  assert.equal(clock.wallMs(), 10);
});

test('timers fire in order of time, and in order of setting at the same time', async () => {
  const clock = new ManualClock();
  const fired: string[] = [];
  const note = (name: string) => () => fired.push(`${name}@${clock.monotonicMs()}`);
  clock.setTimer(20, note('late'));
  clock.setTimer(10, note('first'));
  clock.setTimer(10, note('second'));
  clock.setTimer(-5, note('at once'));
  clock.setTimer(21, note('too late'));
  assert.deepEqual(fired, []);
  await clock.advance(20);
  assert.deepEqual(fired, ['at once@0', 'first@10', 'second@10', 'late@20']);
  assert.equal(clock.pendingTimers, 1);
});

test('what a timer causes happens at its time', async () => {
  const clock = new ManualClock();
  const fired: number[] = [];
  clock.setTimer(10, async () => {
    await null;
    setImmediate(() =>
      process.nextTick(() => {
        fired.push(clock.monotonicMs());
        clock.setTimer(5, () => fired.push(clock.monotonicMs()));
      }),
    );
  });
  await clock.advance(100);
  assert.deepEqual(fired, [10, 15]);
});

test('a cancelled timer does not fire', async () => {
  const clock = new ManualClock();
  let fired = 0;
  const count = () => {
    fired++;
  };
  const cancel = clock.setTimer(10, count);
  const cancelOther = clock.setTimer(10, count);
  clock.setTimer(9, cancelOther);
  cancel();
  cancel();
  await clock.advance(20);
  assert.equal(fired, 0);
  assert.equal(clock.pendingTimers, 0);
});

test('an error in a timer reaches the test', async () => {
  const clock = new ManualClock();
  clock.setTimer(1, () => {
    throw new Error('boom');
  });
  await assert.rejects(clock.advance(2), /boom/);
});

test('runs until a promise is settled, or the limit', async () => {
  const clock = new ManualClock();
  const soon = new Promise<string>((resolve) => clock.setTimer(300, () => resolve('there')));
  assert.equal(await clock.runUntil(soon, 1000), 'there');
  assert.equal(clock.monotonicMs(), 300);
  await assert.rejects(clock.runUntil(Promise.reject(new Error('no')), 10), /no/);
  clock.setTimer(20, () => {});
  await assert.rejects(clock.runUntil(new Promise(() => {}), 10), /not settled within 10 ms/);
});

test('waits for watched work', async () => {
  const clock = new ManualClock();
  let left = 100;
  clock.watch(() => left > 0);
  const step = () => {
    left--;
    if (left > 0) setImmediate(step);
  };
  setImmediate(step);
  await clock.settle();
  assert.equal(left, 0);
});
