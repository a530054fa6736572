import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, test } from 'node:test';
import type { Client } from '@rozan/client';
import { formatHostPort } from '@rozan/protocol';
import { parseAllowRule } from '@rozan/relay';
import {
  type Conn,
  type LogEvent,
  type Network,
  type SocketAddress,
  TunnelError,
  type TunnelStream,
} from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { networkMethods } from '../testing/recording.ts';
import { type RerouteRelay, type RerouteWorld, startRerouteWorld } from '../testing/reroute-world.ts';
import { makeSiblings, startClient } from '../world.ts';

const ORIGIN: SocketAddress = { host: '127.0.0.1', port: 7777 };
const LOOPBACK = parseAllowRule('127.0.0.1/32');

/** What a censor between the client and the relays does to places: nothing else is concerned. */
function createBlockedNetwork(network: Network) {
  const blocked = new Set<string>();
  const conns = new Set<{ readonly place: string; readonly conn: Conn }>();
  const censored: Network = {
    ...networkMethods(network),
    dial: async (address, options) => {
      const place = formatHostPort(address);
      if (blocked.has(place)) throw new TunnelError('refused', 'blocked');
      const conn = await network.dial(address, options);
      const entry = { place, conn };
      conns.add(entry);
      conn.once('close', () => conns.delete(entry));
      return conn;
    },
  };
  return {
    network: censored,
    block: (address: SocketAddress) => {
      const blockedPlace = formatHostPort(address);
      blocked.add(blockedPlace);
      for (const { place, conn } of [...conns]) if (place === blockedPlace) conn.destroy(new Error('cut'));
    },
    unblock: (address: SocketAddress) => blocked.delete(formatHostPort(address)),
  };
}

interface Setup extends AsyncDisposable {
  readonly world: RerouteWorld;
  readonly home: RerouteRelay;
  readonly other: RerouteRelay;
  readonly client: Client;
  readonly events: LogEvent[];
  readonly censor: ReturnType<typeof createBlockedNetwork>;
  openEcho(): Promise<TunnelStream>;
  expectEcho(stream: TunnelStream): Promise<void>;
  until(condition: () => boolean, limitMs?: number): Promise<void>;
  count(event: string): number;
}

async function setUp(): Promise<Setup> {
  await using stack = new AsyncDisposableStack();
  assert.ok(LOOPBACK !== null);
  const world = stack.use(await startRerouteWorld({ egressAllow: [LOOPBACK] }));
  const home = await world.start('home');
  const other = await world.start('other');
  await world.network.listen(ORIGIN, (conn) => {
    conn.on('error', () => {});
    conn.pipe(conn);
  });
  const censor = createBlockedNetwork(world.network);
  const events: LogEvent[] = [];
  const env = { ...world.env, network: censor.network, log: (event: LogEvent) => void events.push(event) };
  // The home alone at first, so that it is known which one it is.
  censor.block(other.place);
  const client = stack.use(
    await startClient(env, { entries: [home.entry, other.entry], describeNetwork: async () => 'a network' }),
  );
  await world.runUntil(client.ready(AbortSignal.timeout(60_000)));
  censor.unblock(other.place);
  const running = stack.move();
  return {
    ...{ world, home, other, client, events, censor },
    openEcho: () => world.runUntil(client.pool.open(ORIGIN)),
    expectEcho: async (stream) => {
      const bytes = randomBytes(50_000);
      stream.write(bytes);
      assert.deepEqual(await world.runUntil(readExactly(stream, bytes.length)), bytes);
    },
    until: (condition, limitMs) =>
      world.runUntil(
        (async () => {
          while (!condition()) await new Promise(setImmediate);
        })(),
        limitMs,
      ),
    count: (name) => events.filter(({ event }) => event === name).length,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

describe('a client whose home is blocked', { timeout: 120_000 }, () => {
  test('goes on through a sibling, opens what is new elsewhere, and returns when it can', async () => {
    await using setup = await setUp();
    const { home, other, censor, events, count, until } = setup;
    makeSiblings([home, other]);
    const stream = await setup.openEcho();
    await setup.expectEcho(stream);
    censor.block(home.place);
    await setup.expectEcho(stream);
    const rerouted = events.find(({ event }) => event === 'session.rerouted');
    assert.deepEqual(rerouted, { event: 'session.rerouted', relay: home.entry.tag, through: other.entry.tag });
    assert.equal(events.findLast(({ event }) => event === 'carrier.attached')?.through, other.entry.tag);
    // New streams get a session of their own with the relay that can be reached.
    await until(() => count('session.opened') === 2);
    const streams = other.relay.status().streams;
    const second = await setup.openEcho();
    await setup.expectEcho(second);
    assert.equal(other.relay.status().streams, streams + 1);
    assert.equal(home.relay.status().streams, 1);

    censor.unblock(home.place);
    await until(() => count('session.returned') === 1);
    await setup.expectEcho(stream);
    await setup.expectEcho(second);
    await until(() => other.relay.status().forwarded === 0);
    const ends = events.filter(({ event, through }) => event === 'carrier.lost' && through !== undefined);
    assert.deepEqual(
      ends.map(({ cause }) => cause),
      ['retired'],
      'it was let go in peace, when the direct one was there',
    );
    // And once more: it is no matter how often.
    censor.block(home.place);
    await setup.expectEcho(stream);
    assert.equal(count('session.rerouted'), 2);
    assert.equal(count('session.closed'), 0);
    const texts = JSON.stringify(events);
    for (const { place } of [home, other]) assert.ok(!texts.includes(`:${place.port}`), 'events name no address');
  });

  test('without a sibling keeps what it has, and goes on when the home is back', async () => {
    await using setup = await setUp();
    const { home, censor, events, count, until } = setup;
    const stream = await setup.openEcho();
    await setup.expectEcho(stream);
    censor.block(home.place);
    await until(() => count('session.opened') === 2);
    await setup.expectEcho(await setup.openEcho());
    await until(() => events.filter(({ code }) => code === 'refused').length >= 3);
    assert.equal(count('session.rerouted'), 0);
    censor.unblock(home.place);
    await setup.expectEcho(stream);
    assert.equal(count('session.closed'), 0);
  });
});
