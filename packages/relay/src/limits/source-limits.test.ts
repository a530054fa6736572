import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock, SeededRandom } from '@rozan/tunnel/testing';
import { SCAN_BOUNDS } from './constants.ts';
import { type SourceBounds, SourceLimits } from './source-limits.ts';

function setUp(bounds: Partial<SourceBounds> = {}) {
  const clock = new ManualClock();
  const limits = new SourceLimits(clock, new SeededRandom(1), bounds);
  const open = (address: string | undefined, channel = 'default') =>
    limits.openSession(limits.sourceOf(address), channel);
  const mustOpen = (address: string | undefined, channel = 'default') => {
    const permit = open(address, channel);
    assert.ok(permit);
    return permit;
  };
  return { clock, limits, open, mustOpen };
}

const TARGET = { host: 'a.example', port: 443 };

test('sessions are capped in all, per channel and per prefix, and room comes back', () => {
  const { limits, open, mustOpen } = setUp({ sessions: 4, sessionsPerChannel: 3, sessionsPerPrefix: 2 });
  const first = mustOpen('192.0.2.1', 'a');
  mustOpen('192.0.2.2', 'a');
  assert.equal(open('192.0.2.3', 'a'), null);
  mustOpen('198.51.100.1', 'a');
  assert.equal(open('203.0.113.1', 'a'), null);
  mustOpen('203.0.113.1', 'b');
  assert.equal(open('10.0.0.1', 'b'), null);
  assert.equal(limits.sessionCount, 4);
  first.close();
  first.close();
  assert.equal(limits.sessionCount, 3);
  mustOpen('192.0.2.9', 'a');
  assert.equal(open('10.0.0.1', 'b'), null);
});

test('a program of this machine is not held to the caps of one prefix', () => {
  const { open, mustOpen } = setUp({
    sessionsPerPrefix: 1,
    streamsPerPrefix: 1,
    dialsPerPrefix: 1,
    dialBurst: 1,
    streamsPerSession: 2,
  });
  mustOpen('127.0.0.1');
  const permit = mustOpen('127.0.0.1');
  assert.ok(permit.openStream());
  assert.ok(permit.openStream());
  assert.equal(permit.openStream(), null);
  for (let count = 0; count < 3; count += 1) assert.ok(permit.startDial(TARGET));
  mustOpen('192.0.2.1');
  assert.equal(open('192.0.2.1'), null);
});

test('streams are capped per session and per prefix', () => {
  const { mustOpen } = setUp({ streamsPerSession: 2, streamsPerPrefix: 3 });
  const [one, two] = [mustOpen('192.0.2.1'), mustOpen('192.0.2.2')];
  const release = one.openStream();
  assert.ok(one.openStream());
  assert.equal(one.openStream(), null);
  assert.ok(two.openStream());
  assert.equal(two.openStream(), null);
  release?.();
  release?.();
  assert.ok(two.openStream());
  assert.equal(one.openStream(), null);
});

test('dials are capped per session and per prefix', () => {
  const { mustOpen } = setUp({ dialsPerSession: 2, dialsPerPrefix: 3 });
  const [one, two] = [mustOpen('192.0.2.1'), mustOpen('192.0.2.2')];
  const permit = one.startDial(TARGET);
  assert.ok(one.startDial(TARGET));
  assert.equal(one.startDial(TARGET), null);
  assert.ok(two.startDial(TARGET));
  assert.equal(two.startDial(TARGET), null);
  permit?.finish(true);
  permit?.finish(true);
  assert.ok(two.startDial(TARGET));
  assert.equal(two.startDial(TARGET), null);
});

test('the rate of dials of a prefix is bounded over all its sessions', async () => {
  const { clock, mustOpen } = setUp({ dialRatePerSecond: 10, dialBurst: 20 });
  const sessions = [mustOpen('192.0.2.1'), mustOpen('192.0.2.2')];
  let dialled = 0;
  const dialAll = (): void => {
    for (const session of sessions) {
      for (let permit = session.startDial(TARGET); permit !== null; permit = session.startDial(TARGET)) {
        dialled += 1;
        permit.finish(true);
      }
    }
  };
  dialAll();
  assert.equal(dialled, 20);
  await clock.advance(1_000);
  dialAll();
  assert.equal(dialled, 30);
});

test('a session that scans is slowed and narrowed; its neighbour is not', () => {
  const { mustOpen } = setUp();
  const [scanner, neighbour] = [mustOpen('192.0.2.1'), mustOpen('192.0.2.2')];
  for (let port = 1; port <= SCAN_BOUNDS.failuresPerSession; port += 1) {
    const permit = scanner.startDial({ host: '192.0.2.99', port });
    assert.equal(permit?.delayMs, 0);
    permit.finish(false);
  }
  for (let count = 0; count < SCAN_BOUNDS.dialsWhileBraked; count += 1) {
    assert.equal(scanner.startDial(TARGET)?.delayMs, SCAN_BOUNDS.firstDelayMs);
  }
  assert.equal(scanner.startDial(TARGET), null);
  assert.equal(neighbour.startDial(TARGET)?.delayMs, 0);
});

test('dials that succeed or are given up are no scan', () => {
  const { mustOpen } = setUp();
  const session = mustOpen('192.0.2.1');
  for (let port = 1; port <= 4 * SCAN_BOUNDS.failuresPerSession; port += 1) {
    session.startDial({ host: 'a.example', port })?.finish(port % 2 === 0 ? true : null);
  }
  assert.equal(session.startDial(TARGET)?.delayMs, 0);
});

test('a prefix whose many sessions scan is slowed, and a new session does not get around it', async () => {
  const { clock, mustOpen } = setUp();
  let port = 0;
  while (port < SCAN_BOUNDS.failuresPerPrefix) {
    const session = mustOpen('192.0.2.1');
    for (let count = 0; count < SCAN_BOUNDS.failuresPerSession - 1; count += 1) {
      port += 1;
      session.startDial({ host: '192.0.2.99', port })?.finish(false);
    }
    session.close();
  }
  assert.ok((mustOpen('192.0.2.77').startDial(TARGET)?.delayMs ?? 0) > 0);
  assert.equal(mustOpen('198.51.100.1').startDial(TARGET)?.delayMs, 0);
  await clock.advance(2 * SCAN_BOUNDS.windowMs);
  assert.equal(mustOpen('192.0.2.77').startDial(TARGET)?.delayMs, 0);
});

test('prefixes that hold nothing are forgotten, those that hold something never', () => {
  const { limits, mustOpen } = setUp({ idlePrefixes: 10 });
  const held = mustOpen('203.0.113.1');
  const release = held.openStream();
  held.close();
  for (let count = 0; count < 1_000; count += 1) mustOpen(`10.${count >> 8}.${count & 255}.1`).close();
  assert.equal(limits.prefixCount, 11);
  release?.();
  assert.equal(limits.prefixCount, 10);
});
