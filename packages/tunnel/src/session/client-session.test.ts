import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ATTACH_BACKOFF_MAX_MS,
  ATTACH_BACKOFF_MIN_MS,
  LINGER_MAX_MS,
  LINGER_MIN_MS,
  MAX_PING_MS,
  SLOW_SUSPECT_MS,
  SUSPECT_MS,
} from '../limits.ts';
import { countBytes, createClientSetup, openEcho } from './testing/client-setup.ts';

const TARGET = Buffer.from('target');
const SECRET = Buffer.alloc(32, 5);

it('tells once that the relay drains, however often it says so', async () => {
  const setup = await createClientSetup();
  await openEcho(setup);
  for (let count = 0; count < 100; count += 1) setup.relay.sendDrain();
  await setup.clock.advance(1000);
  assert.equal(setup.drains.length, 1);
});

describe('a client session that loses its carrier', () => {
  it('attaches another at once, and its streams go on', async () => {
    const setup = await createClientSetup();
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    const cutAtMs = setup.clock.monotonicMs();
    setup.network.cutAll('rst');
    await setup.clock.advance(100);
    assert.equal(setup.attempts.length, 1);
    const [attempt] = setup.attempts;
    assert.deepEqual(attempt?.attach, { kind: 'resume', sessionSecret: SECRET, counter: 1, carrierId: 1 });
    assert.equal(attempt.atMs, cutAtMs);
    assert.equal(setup.detachments.length, 1);
    assert.equal(setup.client.detachedMs, 0);
    stream.write('second');
    await setup.clock.advance(200);
    assert.equal(count(), 'firstsecond'.length);
  });

  it('tries again after longer and longer, random times, with a fresh number each time', async () => {
    const setup = await createClientSetup({ retentionMs: 10 * 60_000 });
    setup.outcome = { fail: 'refused' };
    setup.network.cutAll('rst');
    await setup.clock.advance(60_000);
    const times = setup.attempts.map(({ atMs }) => atMs);
    const waits = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    waits.forEach((waitMs, index) => {
      const fullMs = Math.min(ATTACH_BACKOFF_MAX_MS, ATTACH_BACKOFF_MIN_MS * 2 ** index);
      assert.ok(waitMs >= fullMs / 2 && waitMs <= fullMs, `wait ${index} is ${waitMs} ms`);
    });
    assert.ok(waits.length >= 60_000 / ATTACH_BACKOFF_MAX_MS, 'it has given up');
    assert.ok(new Set(waits.slice(10).map(Math.round)).size > 5, 'there is a beat');
    const numbers = setup.attempts.map(({ attach }) => (attach.kind === 'resume' ? attach.carrierId : 0));
    assert.equal(new Set(numbers).size, numbers.length);
    assert.equal(setup.failures.length, setup.attempts.length);

    setup.outcome = 'accept';
    await setup.clock.advance(5000);
    assert.equal(setup.attached.length, 2);
    assert.equal(setup.client.detachedMs, 0);
  });

  it('does not hammer a path that lets handshakes through and nothing else', async () => {
    const setup = await createClientSetup({ retentionMs: 10 * 60_000 });
    setup.outcome = 'cut-at-once';
    setup.network.cutAll('rst');
    await setup.clock.advance(60_000);
    assert.ok(setup.attempts.length <= 60, `${setup.attempts.length} attempts in a minute`);
    assert.ok(setup.attempts.length >= 20, `${setup.attempts.length} attempts in a minute`);
    setup.outcome = 'accept';
    await setup.clock.advance(5000);
    const { stream } = await openEcho(setup);
    assert.ok(!stream.destroyed);
  });

  it('is over when the relay does not know it any more', async () => {
    const setup = await createClientSetup();
    const { stream } = await openEcho(setup);
    setup.outcome = { fail: 'unknown-session' };
    setup.network.cutAll('rst');
    await setup.clock.advance(1000);
    assert.deepEqual(setup.closed, ['session-lost']);
    assert.ok(stream.destroyed && !stream.readableEnded);
    assert.equal(setup.attempts.length, 1);
    await setup.clock.advance(60_000);
    assert.equal(setup.attempts.length, 1, 'it tries on');
  });

  it('is over when the relay has long forgotten it, and not before', async () => {
    const setup = await createClientSetup({ retentionMs: 30_000 });
    setup.outcome = { fail: 'timed-out' };
    setup.network.cutAll('rst');
    await setup.clock.advance(29_000);
    assert.deepEqual(setup.closed, []);
    assert.ok(setup.client.detachedMs >= 28_000);
    await setup.clock.advance(6000);
    assert.deepEqual(setup.closed, ['session-lost']);
  });

  it('stops an attempt when it is closed, and leaves no timer but those of connections', async () => {
    const setup = await createClientSetup();
    setup.outcome = 'hang';
    setup.network.cutAll('rst');
    await setup.clock.advance(1000);
    setup.client.close('cancelled');
    assert.deepEqual(setup.closed, ['cancelled']);
    await setup.clock.advance(LINGER_MAX_MS + 1000);
    assert.equal(setup.attempts.length, 1);
    assert.equal(setup.clock.pendingTimers, 0);
  });

  it('tells the relay when it is closed', async () => {
    const setup = await createClientSetup();
    await openEcho(setup);
    setup.client.close('cancelled');
    await setup.clock.advance(100);
    assert.ok(setup.relay.closed);
    assert.ok(setup.accepted[0]?.destroyed);
  });
});

describe('a client session whose carrier is silent', () => {
  it('suspects it in time, attaches a spare, and leaves its connection alone', async () => {
    const setup = await createClientSetup();
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    const [connection] = setup.connections();
    assert.ok(connection !== undefined);
    connection.setStalled(true);
    const stalledAtMs = setup.clock.monotonicMs();
    stream.write('lost at first');
    await setup.clock.advance(SUSPECT_MS + 1000);
    const [suspect] = setup.suspects;
    assert.ok(suspect !== undefined, 'it is not suspected');
    const afterMs = suspect.atMs - stalledAtMs;
    assert.ok(afterMs <= SUSPECT_MS, `suspected after ${afterMs} ms`);
    assert.ok(afterMs >= SUSPECT_MS - 2000, `suspected after ${afterMs} ms already`);
    assert.equal(setup.attached.length, 2);
    assert.equal(setup.detachments.length, 0);
    assert.deepEqual(
      setup.lost.map(({ cause }) => cause),
      ['stalled'],
    );
    assert.equal(count(), 'firstlost at first'.length);
    // Nobody closes it for as long as one that is given up is kept.
    await setup.clock.advance(LINGER_MIN_MS - 3000);
    assert.ok(!connection.client.destroyed && !connection.client.writableEnded, 'the suspect was closed');
  });

  it('suspects one that is silent while something is awaited, though nothing was sent', async () => {
    const setup = await createClientSetup();
    const { far, stream } = await openEcho(setup);
    const count = countBytes(stream);
    far.unpipe(far);
    setup.connections()[0]?.setStalled(true);
    far.write('it was on its way');
    const stalledAtMs = setup.clock.monotonicMs();
    await setup.clock.advance(SUSPECT_MS + 1500);
    const [suspect] = setup.suspects;
    assert.ok(suspect !== undefined && suspect.atMs - stalledAtMs <= SUSPECT_MS + 200);
    assert.equal(count(), 'it was on its way'.length);
  });

  it('takes a false suspicion back without harm', async () => {
    const setup = await createClientSetup();
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    setup.outcome = 'hang';
    const [connection] = setup.connections();
    connection?.setStalled(true);
    stream.write('late');
    await setup.clock.advance(SUSPECT_MS);
    assert.equal(setup.suspects.length, 1);
    assert.equal(setup.attempts.length, 1);
    connection?.setStalled(false);
    await setup.clock.advance(1000);
    assert.equal(count(), 'firstlate'.length);
    assert.deepEqual(setup.lost, []);
    assert.equal(setup.suspects[0]?.carrier.suspect, false);
    stream.write('more');
    await setup.clock.advance(1000);
    assert.equal(count(), 'firstlatemore'.length);
  });

  it('says for how long nobody has answered, also while the silent carrier stays open', async () => {
    const setup = await createClientSetup();
    const { stream } = await openEcho(setup);
    countBytes(stream);
    setup.outcome = 'hang';
    const [connection] = setup.connections();
    connection?.setStalled(true);
    stream.write('is anybody there?');
    assert.equal(setup.client.unansweredMs, 0);
    await setup.clock.advance(SUSPECT_MS + 10_000);
    assert.equal(setup.client.detachedMs, 0);
    assert.ok(setup.client.unansweredMs >= 10_000 && setup.client.unansweredMs <= SUSPECT_MS + 10_000);
    connection?.setStalled(false);
    await setup.clock.advance(1000);
    assert.equal(setup.client.unansweredMs, 0);
  });

  it('keeps one that came back until the spare has taken over, and retires it in peace', async () => {
    const setup = await createClientSetup({ latencyMs: 200 });
    const { stream } = await openEcho(setup);
    countBytes(stream);
    const [connection] = setup.connections();
    connection?.setStalled(true);
    stream.write('late');
    for (let waited = 0; setup.suspects.length === 0 && waited < 10_000; waited += 10) await setup.clock.advance(10);
    connection?.setStalled(false);
    await setup.clock.advance(10_000);
    assert.deepEqual(
      setup.lost.map(({ cause }) => cause),
      ['retired'],
    );
    assert.equal(setup.client.session.carriers.length, 1);
    assert.equal(setup.relay.carriers.length, 1);
  });

  it('waits longer on a path whose round trips are long', async () => {
    const setup = await createClientSetup({ latencyMs: 1000 });
    const stream = setup.client.session.openStream(TARGET);
    stream.write('first');
    await setup.clock.advance(5000);
    setup.connections()[0]?.setStalled(true);
    stream.write('second');
    const stalledAtMs = setup.clock.monotonicMs();
    await setup.clock.advance(20_000);
    const afterMs = (setup.suspects[0]?.atMs ?? 0) - stalledAtMs;
    assert.ok(
      afterMs > SLOW_SUSPECT_MS - 750 && afterMs <= SLOW_SUSPECT_MS + 2 * 2100,
      `suspected after ${afterMs} ms`,
    );
  });

  it('is at peace when it is idle: pings ever more rarely, without a beat, and suspects nothing', async () => {
    const setup = await createClientSetup();
    await openEcho(setup);
    const times: number[] = [];
    let seen = setup.client.session.carriers[0]?.bytesSent ?? 0;
    for (let waited = 0; waited < 20 * 60_000; waited += 500) {
      await setup.clock.advance(500);
      const sent = setup.client.session.carriers[0]?.bytesSent ?? 0;
      if (sent > seen) times.push(setup.clock.monotonicMs());
      seen = sent;
    }
    const waits = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    assert.ok((waits[0] ?? 0) < 5000, `the first wait is ${waits[0]} ms`);
    const late = waits.slice(8);
    assert.ok(late.length > 10);
    assert.ok(Math.min(...late) > 0.5 * MAX_PING_MS && Math.max(...late) <= MAX_PING_MS + 1000, late.join(' '));
    assert.ok(new Set(late).size > 5, 'there is a beat');
    assert.deepEqual([setup.suspects, setup.lost, setup.attempts], [[], [], []]);
    assert.equal(setup.relay.carriers.length, 1);
  });
});
