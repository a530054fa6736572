import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { encodeTarget } from '@rozan/protocol';
import { type CarrierLossCause, ClientSession, FixedPlan, NO_ROTATION } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { LabDialer } from '../testing/lab-dialer.ts';
import { type SpoiltDirection, startSpoiler } from '../testing/spoiler.ts';
import { startStillWorld } from '../testing/still-world.ts';

const PATIENCE_MS = 20_000;
const MINUTE_MS = 60_000;

/** A client with a session through a spoiler, and one stream to an echo behind the relay. */
async function startSpoiltSession() {
  const world = await startStillWorld();
  const { env, network, relay } = world;
  const spoiler = await startSpoiler(network, relay.address);
  const echo = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.on('error', () => conn.destroy());
    conn.pipe(conn);
  });
  const at = `${spoiler.address.host}:${spoiler.address.port}`;
  const transports = relay.entry.transports.map((way) => ({ ...way, addresses: [at] }));
  const dialer = new LabDialer(env, { ...relay.entry, transports });
  const causes: CarrierLossCause[] = [];
  const session = new ClientSession(env, await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS)), {
    dial: (nextAttach, signal) => dialer.dial(nextAttach, signal),
    plan: new FixedPlan(env.random, { rotation: NO_ROTATION }),
    events: { onCarrierLost: (_carrier, cause) => causes.push(cause) },
  });
  const { port } = echo.address;
  const stream = session.session.openStream(encodeTarget({ host: '127.0.0.1', port }));
  const ask = async (question: string): Promise<void> => {
    const answer = readExactly(stream, question.length);
    stream.write(question);
    assert.equal((await world.runUntil(answer, MINUTE_MS)).toString(), question);
  };
  await ask('before');
  return { world, spoiler, session, causes, ask };
}

async function spoil(direction: SpoiltDirection) {
  const spoilt = await startSpoiltSession();
  const { spoiler, world, ask } = spoilt;
  const [link] = spoiler.links;
  assert.ok(link !== undefined);
  spoiler.spoil(direction);
  await ask('while a byte is changed');
  assert.equal(link.spoilt, true);
  assert.ok(spoiler.links.length > 1, 'the session has moved');
  const atRelay = world.relay.relay.status();
  return { ...spoilt, link, atRelay };
}

describe('a carrier on which somebody changes a byte', () => {
  test('turns into a stranger at the relay: drained, silent, open for the time of strangers', async () => {
    const { world, link, atRelay, session } = await spoil('up');
    assert.equal(atRelay.strangers, 1);
    assert.equal(atRelay.sessions, 1);
    assert.equal(link.since.down, 0, 'the relay has not written to it since');
    for (let minute = 0; minute < 9; minute += 1) {
      link.relay.write(Buffer.alloc(1000));
      await world.clock.advance(MINUTE_MS);
    }
    assert.equal(link.ended.has('down'), false, 'the relay has not ended it');
    assert.deepEqual([link.relay.destroyed, link.relay.writableLength, link.since.down], [false, 0, 0]);
    link.relay.end();
    await world.clock.settle();
    assert.equal(link.ended.has('down'), true, 'FIN is answered by FIN');
    session.close('cancelled');
    await world[Symbol.asyncDispose]();
  });

  test('is let go by the relay by itself after the idle time of strangers', async () => {
    const { world, link, session } = await spoil('up');
    await world.clock.advance(9 * MINUTE_MS);
    assert.equal(link.ended.has('down'), false);
    await world.clock.advance(60 * MINUTE_MS);
    assert.equal(link.ended.has('down'), true);
    assert.equal(world.relay.relay.status().strangers, 0);
    session.close('cancelled');
    await world[Symbol.asyncDispose]();
  });

  test('is drained by the client and left open until the session ends', async () => {
    const { world, link, causes, session, ask } = await spoil('down');
    assert.equal(causes[0], 'not-authentic');
    for (let minute = 0; minute < 15; minute += 1) {
      link.client.write(Buffer.alloc(1000));
      await world.clock.advance(MINUTE_MS);
    }
    assert.deepEqual([link.ended.has('up'), link.since.up, link.client.writableLength], [false, 0, 0]);
    await ask('after');
    session.close('cancelled');
    await world.clock.advance(2 * MINUTE_MS);
    assert.equal(link.client.destroyed || link.ended.has('up'), true);
    await world[Symbol.asyncDispose]();
  });

  test('is ended by the client when the other side ends it', async () => {
    const { world, link, session } = await spoil('down');
    link.client.end();
    await world.clock.settle();
    assert.equal(link.ended.has('up'), true);
    session.close('cancelled');
    await world[Symbol.asyncDispose]();
  });
});
