import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Env, type LogEvent, TunnelError } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { Listeners } from './listeners.ts';

const PLACES = [443, 444].map((port) => ({ transport: 'opaque', address: { host: '127.0.0.1', port }, settings: {} }));

/** Listeners on two ports, of which the second cannot be opened while `isTaken`. */
function setUp() {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const state = { isTaken: false };
  const listen = network.listen.bind(network);
  network.listen = async (address, onConn) => {
    if (state.isTaken && address.port === 444) throw new TunnelError('failed', 'as the test wants it');
    return listen(address, onConn);
  };
  const events: LogEvent[] = [];
  const env: Env = { network, clock, random: new SeededRandom(1), log: (event) => events.push(event) };
  return { clock, network, state, events, listeners: new Listeners(env, PLACES, (conn) => conn.resume()) };
}

test('what cannot be opened as a whole is not opened at all', async () => {
  const { network, state, listeners } = setUp();
  state.isTaken = true;
  await assert.rejects(listeners.open(), { code: 'failed' });
  assert.equal(network.listenerCount, 0);
});

test('opening again is tried until it works', async () => {
  const { clock, network, state, events, listeners } = setUp();
  await listeners.open();
  await listeners.close();
  state.isTaken = true;
  listeners.openAgain();
  await clock.advance(5000);
  assert.equal(network.listenerCount, 0);
  assert.ok(events.length >= 3);
  state.isTaken = false;
  await clock.advance(5000);
  assert.equal(network.listenerCount, 2);
  await listeners.close();
});

test('closing ends the tries, and what is being opened', async () => {
  const { clock, network, state, listeners } = setUp();
  state.isTaken = true;
  listeners.openAgain();
  await clock.settle();
  await listeners.close();
  state.isTaken = false;
  await clock.advance(60_000);
  assert.equal(network.listenerCount, 0);
  const opening = listeners.open();
  await listeners.close();
  await opening;
  assert.equal(network.listenerCount, 0);
});
