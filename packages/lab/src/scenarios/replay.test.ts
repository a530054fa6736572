import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { type ClientAttach, parseServerEntry, parseShareLink } from '@rozan/protocol';
import { createEnv } from '@rozan/tunnel';
import { LabDialer } from '../testing/lab-dialer.ts';
import { runProbe, SILENCE } from '../testing/probe.ts';
import { startProgram } from '../testing/program.ts';
import { recordDials } from '../testing/recording.ts';
import { initRelay } from '../testing/relay-network.ts';
import { type StillWorld, startStillWorld } from '../testing/still-world.ts';
import { createScratchFolder } from '../world.ts';

const PATIENCE_MS = 20_000;
const HOUR_MS = 3_600_000;

/** First flights that the relay has answered, by what they were. */
type Recorded = Record<'unsynced' | 'synced' | 'unsynced resume' | 'synced resume', Buffer>;

/** Has a client attach in every way there is, and takes down its first flights. */
async function recordHandshakes({ env, relay }: StillWorld): Promise<Recorded> {
  const network = recordDials(env.network);
  const dialer = new LabDialer({ ...env, network }, relay.entry);
  const attach = async (request: ClientAttach, synced: boolean) => {
    if (!synced) dialer.relayClock.forget();
    assert.equal(dialer.relayClock.stamp().synced, synced);
    const attached = await dialer.dial(() => request, AbortSignal.timeout(PATIENCE_MS));
    return { ...attached, flight: Buffer.concat(network.recordings.at(-1)?.sent ?? []) };
  };
  const first = await attach({ kind: 'new' }, false);
  const sessionSecret = first.sessionSecret ?? Buffer.alloc(0);
  const second = await attach({ kind: 'new' }, true);
  const third = await attach({ kind: 'resume', sessionSecret, counter: 1, carrierId: 1 }, true);
  const fourth = await attach({ kind: 'resume', sessionSecret, counter: 2, carrierId: 2 }, false);
  return {
    unsynced: first.flight,
    synced: second.flight,
    'synced resume': third.flight,
    'unsynced resume': fourth.flight,
  };
}

/** Replays a flight; returns what the relay made of it, having made sure that it looks to its sender as to every stranger. */
async function replay(world: StillWorld, flight: Buffer): Promise<string> {
  const outcome = world.outcomes.next();
  const conn = await world.network.dial(world.relay.address);
  let bytes = 0;
  conn.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  conn.write(flight);
  const verdict = await outcome;
  await world.clock.advance(10_000);
  assert.equal(bytes, 0, 'a replay is never answered');
  assert.equal(conn.readableEnded || conn.destroyed, false, 'nor is it closed upon');
  const ended = once(conn, 'end', { signal: AbortSignal.timeout(PATIENCE_MS) });
  conn.end();
  await ended;
  return verdict;
}

async function replayAll(world: StillWorld, recorded: Recorded): Promise<Record<string, string>> {
  const verdicts: Record<string, string> = {};
  for (const [name, flight] of Object.entries(recorded)) verdicts[name] = await replay(world, flight);
  return verdicts;
}

/** A client is answered, synced as well as not. */
async function assertServes(world: StillWorld): Promise<void> {
  const dialer = new LabDialer(world.env, world.relay.entry);
  for (const _ of ['unsynced', 'synced']) {
    const { reply, link } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS));
    assert.equal(reply.status, 'accepted');
    link.conn.destroy();
  }
}

const ALL_REPLAYED = {
  unsynced: 'replayed',
  synced: 'replayed',
  'synced resume': 'replayed',
  'unsynced resume': 'replayed',
};
const SYNCED_STALE = { ...ALL_REPLAYED, synced: 'stale', 'synced resume': 'stale' };

describe('a recorded handshake', () => {
  test('is refused at once, again, and after 100 s', async () => {
    await using world = await startStillWorld();
    const recorded = await recordHandshakes(world);
    assert.deepEqual(await replayAll(world, recorded), ALL_REPLAYED);
    await world.clock.advance(100_000);
    assert.deepEqual(await replayAll(world, recorded), SYNCED_STALE);
    await assertServes(world);
  });

  test('is refused through the whole day in which it could still be in time', async () => {
    await using world = await startStillWorld();
    const recorded = await recordHandshakes(world);
    for (const hours of [1, 11.9, 12.1, 24, 26]) {
      world.clock.setWallMs(world.relay.entry.issuedMs + hours * HOUR_MS);
      const { unsynced } = await replayAll(world, recorded);
      assert.equal(unsynced, hours < 12 ? 'replayed' : 'stale', `after ${hours} hours`);
    }
  });

  test('is refused after a restart, and clients are served', async () => {
    await using world = await startStillWorld();
    const recorded = await recordHandshakes(world);
    await world.clock.advance(1000);
    await world.restart();
    assert.deepEqual(await replayAll(world, recorded), SYNCED_STALE);
    await assertServes(world);
  });

  for (const backMs of [10, 1000, 30_000, 80_000, HOUR_MS]) {
    test(`is refused after a restart with the clock set back by ${backMs} ms, then and later`, async () => {
      await using world = await startStillWorld();
      const recorded = await recordHandshakes(world);
      world.clock.setWallMs(world.clock.wallMs() - backMs);
      await world.restart();
      assert.deepEqual(await replayAll(world, recorded), SYNCED_STALE);
      await world.clock.advance(backMs);
      const { synced, unsynced } = await replayAll(world, recorded);
      assert.deepEqual({ synced, unsynced }, { synced: 'stale', unsynced: 'replayed' });
      await world.clock.advance(2000);
      await assertServes(world);
    });
  }

  test('is refused after the clock was set back under clients that follow the old time, and a restart', async () => {
    await using world = await startStillWorld();
    const dialer = new LabDialer(world.env, world.relay.entry);
    await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS));
    world.clock.setWallMs(world.clock.wallMs() - 60_000);
    const network = recordDials(world.network);
    const ahead = new LabDialer({ ...world.env, network }, world.relay.entry);
    ahead.relayClock.correct(world.clock.wallMs() + 60_000);
    await ahead.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS));
    await world.clock.advance(1000);
    await world.restart();
    assert.equal(await replay(world, Buffer.concat(network.recordings.at(-1)?.sent ?? [])), 'stale');
  });

  test('is refused by the relay program after kill -9', { timeout: 120_000 }, async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.use(await createScratchFolder()).path;
    const { entry } = parseServerEntry(parseShareLink(await initRelay(folder)));
    const args = ['relay', '--data', folder, '--metrics', 'off'];
    const first = stack.use(await startProgram(args));
    const network = recordDials(createEnv({ log: () => {} }).network);
    const dialer = new LabDialer(createEnv({ log: () => {}, network }), entry);
    const dial = async () => (await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS))).link.conn;
    const conns = [await dial(), await dial()];
    await first.stop('SIGKILL');
    for (const conn of conns) conn.destroy();
    const flights = network.recordings.map(({ sent }) => Buffer.concat(sent));
    assert.equal(flights.length, 2);

    const second = stack.use(await startProgram(args));
    const { opaque = '' } = second.ready.listen as Record<string, string>;
    const [host = '', port = ''] = opaque.split(':');
    const address = { host, port: Number(port) };
    const probes = flights.map((flight, index) =>
      runProbe(network, address, { name: `${index}`, pieces: [flight], after: 'wait' }),
    );
    // The same client, synced by the first run, is served by the second one.
    (await dial()).destroy();
    assert.deepEqual(await Promise.all(probes), [SILENCE, SILENCE]);
  });
});
