import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conn } from '@rozan/tunnel';
import { createMemoryPair, ManualClock, SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { STRANGER_BOUNDS } from '../limits/constants.ts';
import type { Source } from '../limits/source-key.ts';
import { drawStrangerIdleMs, type StrangerBounds, StrangerHall } from './stranger-hall.ts';

const IDLE_MS = 20 * 60_000;
const SOURCE: Source = { key: 'p', isLocal: false };

function setUp(bounds: Partial<StrangerBounds> = {}) {
  const clock = new ManualClock();
  const calls: string[] = [];
  const hall = new StrangerHall(
    { clock, random: new SeededRandom(1) },
    { idleMs: IDLE_MS, onFull: () => calls.push('full'), onRoom: () => calls.push('room'), bounds },
  );
  const connect = (source = SOURCE) => {
    const pair = createMemoryPair({ clock });
    const heard = watch(pair.client);
    return { pair, heard, client: pair.client, guest: hall.admit(pair.server, source) };
  };
  return { clock, hall, calls, connect };
}

/** What a prober could see. */
function watch(client: Conn) {
  const heard = { bytes: 0, ended: false, closed: false };
  client.on('data', (chunk: Buffer) => {
    heard.bytes += chunk.length;
  });
  client.on('end', () => {
    heard.ended = true;
  });
  client.on('close', () => {
    heard.closed = true;
  });
  return heard;
}

const SILENCE = { bytes: 0, ended: false, closed: false };

test('whatever a stranger sends is read, never answered, and ends nothing', async () => {
  const { clock, hall, connect } = setUp();
  const { client, guest, heard, pair } = connect();
  guest.turnAway();
  for (let count = 0; count < 50; count += 1) {
    client.write(Buffer.alloc(70_000, count));
    await clock.advance(60_000);
  }
  assert.deepEqual(heard, SILENCE);
  assert.equal(pair.bytesToServer, 50 * 70_000);
  assert.equal(hall.count, 1);
  hall.close();
});

test("a peer's end is answered by an end, after all it has sent is read", async () => {
  const { clock, hall, connect } = setUp();
  const { client, guest, heard, pair } = connect();
  guest.turnAway();
  client.end(Buffer.alloc(300_000));
  await clock.settle();
  assert.deepEqual(heard, { bytes: 0, ended: true, closed: true });
  assert.equal(pair.bytesToServer, 300_000);
  assert.equal(hall.count, 0);
  assert.equal(clock.pendingTimers, 0);
});

test('a peer that ended before it was turned away is answered as well', async () => {
  const { clock, hall, connect } = setUp();
  const { client, guest, heard, pair } = connect();
  pair.server.resume();
  client.end();
  await clock.settle();
  assert.equal(heard.ended, false);
  guest.turnAway();
  await clock.settle();
  assert.equal(heard.ended, true);
  assert.equal(hall.count, 0);
});

test("silence is ended after the relay's own time, give or take a little, and quietly", async () => {
  const { clock, hall, connect } = setUp();
  const [silent, waiting] = [connect(), connect()];
  silent.guest.turnAway();
  await clock.advance(IDLE_MS * (1 - STRANGER_BOUNDS.idleJitter) - 1_000);
  assert.deepEqual(silent.heard, SILENCE);
  assert.deepEqual(waiting.heard, SILENCE);
  await clock.advance(IDLE_MS * 2 * STRANGER_BOUNDS.idleJitter + 10_000);
  for (const { heard } of [silent, waiting]) assert.deepEqual(heard, { bytes: 0, ended: true, closed: false });
  await clock.advance(STRANGER_BOUNDS.lingerMs + STRANGER_BOUNDS.sweepMs);
  assert.equal(hall.count, 0);
});

test('a peer that does not end after we have is let go in the end', async () => {
  const { clock, hall } = setUp();
  const pair = createMemoryPair({ clock });
  const source: Source = { key: 'q', isLocal: false };
  hall.admit(pair.server, source).turnAway();
  await clock.advance(2 * IDLE_MS);
  assert.equal(pair.server.destroyed, true);
  assert.equal(hall.count, 0);
  assert.equal(clock.pendingTimers, 0);
});

test('bytes, or a touch, start the idle time again', async () => {
  const { clock, connect } = setUp();
  const [talker, touched] = [connect(), connect()];
  talker.guest.turnAway();
  for (let count = 0; count < 5; count += 1) {
    await clock.advance(IDLE_MS / 2);
    talker.client.write('x');
    touched.guest.touch();
  }
  assert.deepEqual(talker.heard, SILENCE);
  assert.deepEqual(touched.heard, SILENCE);
});

test('a carrier leaves the hall as if it had never been there', async () => {
  const { clock, hall, connect } = setUp();
  const { client, guest, pair, heard } = connect();
  guest.leave();
  guest.turnAway();
  assert.equal(hall.count, 0);
  assert.equal(pair.server.listenerCount('data'), 0);
  await clock.advance(10 * IDLE_MS);
  pair.server.write('hello');
  await clock.settle();
  assert.deepEqual(heard, { ...SILENCE, bytes: 5 });
  client.destroy();
});

test('a reset is forgotten', async () => {
  const { clock, hall, connect } = setUp();
  const { guest, pair } = connect();
  guest.turnAway();
  connect();
  pair.client.resetAndDestroy?.();
  await clock.settle();
  assert.equal(hall.count, 1);
  hall.close();
  await clock.settle();
  assert.equal(hall.count, 0);
  assert.equal(clock.pendingTimers, 0);
});

test('at the cap the relay is asked to stop listening, and to listen again when there is room', async () => {
  const { clock, hall, calls, connect } = setUp({ total: 10 });
  const all = Array.from({ length: 12 }, (_, index) => connect({ key: `p${index}`, isLocal: false }));
  assert.deepEqual(calls, ['full']);
  for (const { guest } of all.slice(0, 6)) guest.turnAway();
  for (const { client } of all.slice(0, 3)) client.end();
  await clock.settle();
  assert.equal(hall.count, 9);
  assert.deepEqual(calls, ['full']);
  for (const { client } of all.slice(3, 6)) client.end();
  await clock.settle();
  assert.deepEqual(calls, ['full', 'room']);
  assert.equal(hall.turnedAwayCount, 0);
  for (const { heard } of all.slice(6)) assert.deepEqual(heard, SILENCE);
});

test('one prefix cannot shut the port: its oldest go, though never a young one before the last cap', async () => {
  const { clock, hall, calls, connect } = setUp({ total: 400, perPrefix: 4, perPrefixAtAnyAge: 8 });
  const other = connect({ key: 'other', isLocal: false });
  const young = Array.from({ length: 8 }, () => connect());
  await clock.settle();
  for (const { heard } of young) assert.deepEqual(heard, SILENCE);
  connect();
  await clock.settle();
  assert.equal(young[0]?.heard.ended, true);
  assert.equal(young[1]?.heard.ended, false);
  await clock.advance(STRANGER_BOUNDS.leastAgeMs);
  connect();
  await clock.settle();
  assert.equal(young[1]?.heard.ended, true);
  assert.equal(young[2]?.heard.ended, false);
  for (let count = 0; count < 300; count += 1) {
    connect();
    await clock.advance(10);
  }
  await clock.advance(STRANGER_BOUNDS.lingerMs + STRANGER_BOUNDS.sweepMs);
  assert.ok(hall.count < 20);
  assert.deepEqual(calls, []);
  assert.deepEqual(other.heard, SILENCE);
});

test('the caps of one prefix do not hold for a program of this machine', () => {
  const { hall, connect } = setUp({ perPrefix: 4, perPrefixAtAnyAge: 8 });
  for (let count = 0; count < 50; count += 1) connect({ key: 'front', isLocal: true });
  assert.equal(hall.count, 50);
});

test("a relay's idle time lies in its range", () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const idleMs = drawStrangerIdleMs(new SeededRandom(seed));
      assert.ok(idleMs >= 10 * 60_000 && idleMs <= 60 * 60_000);
    }),
  );
});
