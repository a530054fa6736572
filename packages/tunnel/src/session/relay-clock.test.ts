import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ManualClock } from '../testing/manual-clock.ts';
import { RelayClock } from './relay-clock.ts';

const RELAY_MS = Date.UTC(2026, 5, 1);

it("stamps are this machine's and unsynced until a relay has told its time", () => {
  const clock = new ManualClock(1_700_000_000_000.6);
  const relayClock = new RelayClock(clock);
  assert.deepEqual(relayClock.stamp(), { stampMs: 1_700_000_000_000, synced: false });
});

it("stamps follow the relay's clock, whatever a person does to this machine's", async () => {
  const clock = new ManualClock(0);
  const relayClock = new RelayClock(clock);
  await clock.advance(500);
  relayClock.correct(RELAY_MS);
  clock.setWallMs(Date.UTC(1999, 0, 1));
  await clock.advance(60_000);
  assert.deepEqual(relayClock.stamp(), { stampMs: RELAY_MS + 60_000, synced: true });
  relayClock.correct(RELAY_MS + 61_000);
  assert.deepEqual(relayClock.stamp(), { stampMs: RELAY_MS + 61_000, synced: true });
});

it('a forgotten correction makes stamps unsynced again', () => {
  const clock = new ManualClock(1000);
  const relayClock = new RelayClock(clock);
  relayClock.correct(RELAY_MS);
  relayClock.forget();
  assert.deepEqual(relayClock.stamp(), { stampMs: 1000, synced: false });
});

it('a relay that tells the end of time gets a stamp that can be written', async () => {
  const clock = new ManualClock(0);
  const relayClock = new RelayClock(clock);
  relayClock.correct(2 ** 48 - 1);
  await clock.advance(5000);
  assert.deepEqual(relayClock.stamp(), { stampMs: 2 ** 48 - 1, synced: true });
});
