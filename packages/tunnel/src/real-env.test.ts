import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogEvent } from './env.ts';
import { createEnv } from './real-env.ts';

/** Waits for a timer of `env`, which alone would let the process end. */
async function timerFires(setTimer: (callback: () => void) => void): Promise<void> {
  const keepAlive = setInterval(() => {}, 1000);
  await new Promise<void>(setTimer);
  clearInterval(keepAlive);
}

test('time goes forward, and timers fire', async () => {
  const { clock } = createEnv({ log: () => {} });
  const before = clock.monotonicMs();
  await timerFires((callback) => clock.setTimer(1, callback));
  assert.ok(clock.monotonicMs() > before);
  assert.ok(clock.wallMs() > Date.UTC(2024, 0, 1));
});

test('a cancelled timer does not fire, nor does one for the far future', async () => {
  const { clock } = createEnv({ log: () => {} });
  let fired = 0;
  const count = () => {
    fired++;
  };
  const cancelSoon = clock.setTimer(0, count);
  cancelSoon();
  cancelSoon();
  const cancelFar = clock.setTimer(40 * 24 * 3_600_000, count);
  await timerFires((callback) => clock.setTimer(5, callback));
  cancelFar();
  assert.equal(fired, 0);
});

test('randomness: right sizes, in range, not the same twice', () => {
  const { random } = createEnv({ log: () => {} });
  assert.equal(random.bytes(0).length, 0);
  assert.equal(random.bytes(33).length, 33);
  assert.notDeepEqual(random.bytes(16), random.bytes(16));
  for (let count = 0; count < 1000; count++) {
    const fraction = random.fraction();
    assert.ok(fraction >= 0 && fraction < 1);
  }
});

test('events go where they are told to', () => {
  const events: LogEvent[] = [];
  createEnv({ log: (event) => events.push(event) }).log({ event: 'test', count: 1 });
  assert.deepEqual(events, [{ event: 'test', count: 1 }]);
});
