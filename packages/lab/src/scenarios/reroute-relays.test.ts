import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import {
  type ClientAttach,
  type ForwardAttach,
  keyPairOf,
  linkSecret,
  NO_PADDING,
  startClientHandshake,
} from '@rozan/protocol';
import { type AttachedCarrier, type Conn, type RelayIdentity, shakeHands } from '@rozan/tunnel';
import { LabDialer } from '../testing/lab-dialer.ts';
import { networkMethods, recordDials, takeFlight } from '../testing/recording.ts';
import { type RerouteRelay, type RerouteWorld, startRerouteWorld } from '../testing/reroute-world.ts';
import { makeSiblings } from '../world.ts';

/** docs/spec/wire.md §6.1 */
const PING = Buffer.of(1);
const NEVER = new AbortController().signal;
const EARLIEST_MS = 3_000;
const LATEST_MS = 4_500;

/** A client with a session at its home, which knows the forwarder too. */
interface Setup extends AsyncDisposable {
  readonly world: RerouteWorld;
  readonly forwarder: RerouteRelay;
  readonly home: RerouteRelay;
  readonly toForwarder: LabDialer;
  readonly toHome: LabDialer;
  readonly first: AttachedCarrier;
  nextAttach(): ClientAttach;
  /** Attaches through the forwarder; `home`: whose session it is said to be. */
  through(options?: { readonly home?: LabDialer; readonly attach?: ClientAttach }): Promise<AttachedCarrier>;
}

async function setUp(): Promise<Setup> {
  const world = await startRerouteWorld();
  const forwarder = await world.start('forwarder');
  const home = await world.start('home');
  const toForwarder = new LabDialer(world.env, forwarder.entry);
  const toHome = new LabDialer(world.env, home.entry);
  // Both clocks are known from here on: unsynced flights are few by design.
  const other = await world.runUntil(toForwarder.dial(() => ({ kind: 'new' }), NEVER));
  other.link.conn.destroy();
  const first = await world.runUntil(toHome.dial(() => ({ kind: 'new' }), NEVER));
  const { sessionSecret } = first;
  assert.ok(sessionSecret !== null);
  let number = 0;
  const nextAttach = (): ClientAttach => {
    number += 1;
    return { kind: 'resume', sessionSecret, counter: 1 + ((number - 1) % 16), carrierId: number };
  };
  return {
    ...{ world, forwarder, home, toForwarder, toHome, first, nextAttach },
    through: async ({ home: named = toHome, attach = nextAttach() } = {}) => {
      const conn = await toForwarder.connect(NEVER);
      return await toForwarder.attachThrough(conn, named, { attach, signal: NEVER });
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  };
}

/** How long a refusal took. */
async function refusalMs({ world, through }: Setup, options?: Parameters<Setup['through']>[0]): Promise<number> {
  const startMs = world.clock.monotonicMs();
  const refused = through(options).then(
    () => assert.fail('it was forwarded'),
    (error: { code?: string }) => {
      assert.equal(error.code, 'not-forwarded');
      return world.clock.monotonicMs() - startMs;
    },
  );
  return await world.runUntil(refused);
}

/** Resolves when something has come; the carrier's first record is what makes a home speak. */
async function expectAnswer({ world }: Setup, { link }: AttachedCarrier): Promise<void> {
  link.conn.resume();
  const answered = once(link.conn, 'data');
  link.conn.write(Buffer.concat(link.sealer.seal([PING])));
  link.conn.write(Buffer.concat(link.sealer.seal([PING])));
  await world.runUntil(answered);
}

function relayKeyOf({ folder }: RerouteRelay): Buffer {
  const { staticKey } = JSON.parse(readFileSync(join(folder, 'relay.json'), 'utf8'));
  return Buffer.from(staticKey, 'base64url');
}

/** What somebody with a relay's private key has to forward to the home with. */
function linkTo(home: RerouteRelay, privateKey: Buffer): RelayIdentity {
  const own = keyPairOf(privateKey);
  const secret = linkSecret(own, home.entry.key, { forwarder: own.publicKey, home: home.entry.key });
  return { publicKey: home.entry.key, accessSecret: secret };
}

describe('relays that forward', { timeout: 120_000 }, () => {
  test('a carrier through a sibling is a carrier of the home', async () => {
    await using setup = await setUp();
    makeSiblings([setup.forwarder, setup.home]);
    const carrier = await setup.world.runUntil(setup.through());
    assert.equal(carrier.reply.status, 'accepted');
    assert.equal(carrier.link.through, setup.forwarder.entry.tag);
    await expectAnswer(setup, carrier);
    assert.equal(setup.forwarder.relay.status().forwarded, 1);
    assert.deepEqual(setup.forwarder.outcomes.asked, ['forwarded']);
    assert.equal(setup.home.relay.status().sessions, 1);
    // Another one while the first is there.
    await expectAnswer(setup, await setup.world.runUntil(setup.through()));
    assert.equal(setup.forwarder.relay.status().forwarded, 2);
  });

  test('an end stays an end and a reset a reset, toward the home', async () => {
    await using setup = await setUp();
    makeSiblings([setup.forwarder, setup.home]);
    const { world, home, forwarder } = setup;
    for (const [end, cause] of [
      [(conn: Conn) => conn.end(), 'closed'],
      [(conn: Conn) => conn.resetAndDestroy?.(), 'reset'],
    ] as const) {
      const carrier = await world.runUntil(setup.through());
      await expectAnswer(setup, carrier);
      home.outcomes.lost.length = 0;
      carrier.link.conn.on('error', () => {});
      end(carrier.link.conn);
      await world.clock.advance(2_000);
      assert.deepEqual(home.outcomes.lost, [cause]);
    }
    assert.equal(forwarder.relay.status().forwarded, 0);
  });

  test('the end of the home, and that of the forwarder, are seen by the client', async () => {
    for (const ended of ['home', 'forwarder'] as const) {
      await using setup = await setUp();
      makeSiblings([setup.forwarder, setup.home]);
      const { link } = await setup.world.runUntil(setup.through());
      const closed = new Promise((resolve) => link.conn.on('error', () => {}).once('close', resolve));
      link.conn.on('end', () => link.conn.end()).resume();
      await setup[ended].relay[Symbol.asyncDispose]();
      await setup.world.runUntil(closed);
    }
  });

  test('a carrier on which nothing passes is let go', async () => {
    await using setup = await setUp();
    makeSiblings([setup.forwarder, setup.home]);
    const { link } = await setup.world.runUntil(setup.through());
    link.conn.on('error', () => {}).resume();
    await setup.world.clock.advance(200_000);
    assert.equal(setup.forwarder.relay.status().forwarded, 0);
  });

  test('an unknown home and one that cannot be reached are refused alike', async () => {
    await using setup = await setUp();
    const { world, forwarder, home } = setup;
    const outcomes = forwarder.outcomes.asked;
    const times: number[] = [];
    // No sibling; one that does not know the forwarder and stays silent; nobody there; one that swallows everything; a forwarder that drains.
    times.push(await refusalMs(setup));
    forwarder.relay.setSiblings([home.entry]);
    times.push(await refusalMs(setup));
    makeSiblings([forwarder, home]);
    world.network.refuse(home.place);
    times.push(await refusalMs(setup));
    world.network.ignore(home.place);
    times.push(await refusalMs(setup));
    assert.deepEqual(outcomes, ['unknown', 'unreachable', 'unreachable', 'unreachable']);
    world.network.restore(home.place);
    forwarder.relay.drain();
    times.push(await refusalMs(setup));
    assert.equal(outcomes.at(-1), 'draining');
    for (const ms of times) assert.ok(ms >= EARLIEST_MS && ms <= LATEST_MS + 100, `refused after ${times}`);
    assert.equal(new Set(times).size, times.length, 'the times are drawn');
  });

  test('refuses at once, and before it looks, when too many wait', async () => {
    await using setup = await setUp();
    const { world, through, forwarder } = setup;
    const waiting = Array.from({ length: 512 }, () => through().catch(() => {}));
    await world.runUntil(
      (async () => {
        while (forwarder.outcomes.asked.length < 512) await new Promise(setImmediate);
      })(),
    );
    const startMs = world.clock.monotonicMs();
    await assert.rejects(world.runUntil(through()), { code: 'not-forwarded' });
    assert.ok(world.clock.monotonicMs() - startMs < EARLIEST_MS / 2);
    assert.equal(forwarder.outcomes.asked.at(-1), 'full');
    await world.runUntil(Promise.all(waiting));
    assert.ok((await refusalMs(setup)) >= EARLIEST_MS, 'there is room again');
  });

  test('there is one hop, and no new session behind it', async () => {
    await using setup = await setUp();
    const { world, forwarder, home, toHome, toForwarder } = setup;
    const third = await world.start('third');
    makeSiblings([forwarder, home, third]);
    const toThird = new LabDialer(world.env, third.entry);
    const isNew = takeFlight(toHome, { kind: 'new' });
    // Somebody has the forwarder pass a flight on that asks the home to pass on the next one.
    const inner = takeFlight(toThird, setup.nextAttach());
    const second = sealFlight(setup, toHome.identity, { kind: 'forward', homeKey: third.entry.key, flight: inner });
    for (const flight of [second, isNew, Buffer.alloc(300, 7), second.subarray(1)]) {
      const conn = await toForwarder.connect(NEVER);
      const { reply } = await world.runUntil(
        shakeHands(world.env, conn, {
          relay: toForwarder.identity,
          relayClock: toForwarder.relayClock,
          attach: { kind: 'forward', homeKey: home.entry.key, flight },
          signal: NEVER,
          padding: NO_PADDING,
        }),
      );
      assert.equal(reply.status, 'busy');
    }
    assert.equal(home.relay.status().sessions, 1);
    assert.deepEqual(third.outcomes.asked, []);
    assert.deepEqual(home.outcomes.asked, []);
  });

  test('a recorded forward flight is met with silence, and a forwarder that uses a flight twice with a refusal', async () => {
    await using setup = await setUp();
    const { world, forwarder, home } = setup;
    makeSiblings([forwarder, home]);
    const network = recordDials(world.network);
    const recorded = new LabDialer({ ...world.env, network: { ...networkMethods(network) } }, forwarder.entry);
    recorded.relayClock.correct(world.clock.wallMs());
    const attach = setup.nextAttach();
    const conn = await recorded.connect(NEVER);
    await world.runUntil(recorded.attachThrough(conn, setup.toHome, { attach, signal: NEVER }));
    const [sent] = network.recordings;
    assert.ok(sent !== undefined);
    const again = await setup.toForwarder.connect(NEVER);
    let got = 0;
    again.on('data', (chunk: Buffer) => {
      got += chunk.length;
    });
    again.write(sent.sent[0]);
    await world.runUntil(forwarder.outcomes.next());
    await world.clock.advance(LATEST_MS * 2);
    assert.equal(got, 0, 'the forwarder says nothing to a recording');

    const flight = takeFlight(setup.toHome, setup.nextAttach());
    const link = linkTo(home, relayKeyOf(forwarder));
    const pass = async () => {
      const conn = await setup.toHome.connect(NEVER);
      const options = { relay: link, relayClock: setup.toHome.relayClock, signal: NEVER, padding: NO_PADDING };
      return await world.runUntil(shakeHands(world.env, conn, { ...options, attach: { kind: 'forwarded', flight } }));
    };
    assert.equal((await pass()).reply.status, 'accepted');
    assert.equal((await pass()).reply.status, 'busy');
  });

  test('who is no listed sibling is a stranger to the home, and a sibling is nothing else than that', async () => {
    await using setup = await setUp();
    const { world, forwarder, home, toHome } = setup;
    const third = await world.start('third');
    makeSiblings([forwarder, home]);
    const flight = takeFlight(toHome, setup.nextAttach());
    const forwarded: ForwardAttach = { kind: 'forwarded', flight };
    const back = keyPairOf(relayKeyOf(forwarder));
    const cases: [string, RelayIdentity, ClientAttach | ForwardAttach][] = [
      ['another relay', linkTo(home, relayKeyOf(third)), forwarded],
      ['a client', toHome.identity, forwarded],
      ['a sibling that wants a session', linkTo(home, relayKeyOf(forwarder)), { kind: 'new' }],
      ['a sibling that wants to resume', linkTo(home, relayKeyOf(forwarder)), setup.nextAttach()],
      [
        'the other direction',
        {
          publicKey: home.entry.key,
          accessSecret: linkSecret(back, home.entry.key, { forwarder: home.entry.key, home: back.publicKey }),
        },
        forwarded,
      ],
    ];
    for (const [who, relay, attach] of cases) {
      const conn = await toHome.connect(NEVER);
      let got = 0;
      conn.on('data', (chunk: Buffer) => {
        got += chunk.length;
      });
      const outcome = home.outcomes.next();
      conn.write(sealFlight(setup, relay, attach));
      assert.equal(await world.runUntil(outcome), 'stranger', who);
      await world.clock.advance(2_000);
      assert.equal(got, 0, who);
    }
  });
});

function sealFlight({ world, toHome }: Setup, relay: RelayIdentity, attach: ClientAttach | ForwardAttach): Buffer {
  return startClientHandshake({
    relayPublicKey: relay.publicKey,
    accessSecret: relay.accessSecret,
    attach,
    ...toHome.relayClock.stamp(),
    paddingBytes: 0,
    random: (count) => world.env.random.bytes(count),
  }).flight;
}
