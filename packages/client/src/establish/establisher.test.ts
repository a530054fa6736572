import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import { DIALS_PER_HOST, HEAD_START_MS, RACE_PACE, ROUND_MS, SAMPLE_ENTRIES } from '../limits.ts';
import { createNameResolver } from './name-resolver.ts';
import { blockedKinds, createRelayField, type RelayKind } from './testing/relay-field.ts';
import type { MemoryStore } from './way-memory.ts';

const ROUND_TRIP_MS = 150;
/** How late the check may notice an answer: it looks every 1/32 of a round trip. */
const LOOK_MS = ROUND_TRIP_MS / 16;

function memoryStore(): MemoryStore & { text: string | null } {
  const store = {
    text: null as string | null,
    read: async () => store.text,
    write: async (text: string) => {
      store.text = text;
    },
  };
  return store;
}

const all = (count: number, kind: RelayKind): RelayKind[] => Array.from({ length: count }, () => kind);

describe('establishment', () => {
  it('finds 3 working candidates of 400 soon, and leaves nothing open', async () => {
    const times: number[] = [];
    for (let seed = 1; seed <= 20; seed += 1) {
      const kinds = blockedKinds(new SeededRandom(seed), { ways: 400, working: 3 });
      await using field = await createRelayField({ kinds, seed, roundTripMs: ROUND_TRIP_MS });
      times.push(await field.timeToSession(10 * 60_000));
      assert.ok(field.most.inAll <= RACE_PACE.wideWidth && field.most.toOne <= DIALS_PER_HOST);
      await field.clock.advance(1000);
      assert.equal(field.network.connections.length, 1, 'losers are left open');
      assert.equal(field.sessionCount(), 1);
    }
    times.sort((a, b) => a - b);
    assert.ok((times[10] ?? 0) <= 8000, `median ${times[10]} ms`);
    assert.ok((times[18] ?? 0) <= 20_000, `95th percentile ${times[18]} ms`);
  });

  it('takes two round trips beside that of TCP by what worked before', async () => {
    const kinds = blockedKinds(new SeededRandom(3), { ways: 400, working: 3 });
    const store = memoryStore();
    const before = await createRelayField({ kinds, seed: 3, store, roundTripMs: ROUND_TRIP_MS });
    await before.timeToSession(10 * 60_000);
    await before[Symbol.asyncDispose]();
    await using field = await createRelayField({ kinds, seed: 3, store, roundTripMs: ROUND_TRIP_MS });
    const tookMs = await field.timeToSession(60_000);
    assert.ok(tookMs <= 3 * ROUND_TRIP_MS + LOOK_MS, `${tookMs} ms`);
    assert.equal(field.dials.length, 1, 'others were dialled, too');
    assert.equal(field.dials[0]?.atMs, 0);
  });

  it('does not take another network for the one it remembers, nor a way that is a day old', async () => {
    const store = memoryStore();
    const kinds = all(3, 'works');
    const first = await createRelayField({ kinds, store });
    await first.timeToSession(60_000);
    await first[Symbol.asyncDispose]();
    assert.ok(store.text !== null && !/192\.|home|opaque/.test(store.text), 'the file says where');
    const blocked: RelayKind[] = ['silent', 'works', 'works'];
    const same = await createRelayField({ kinds: blocked, store });
    assert.ok((await same.timeToSession(60_000)) >= HEAD_START_MS);
    await same[Symbol.asyncDispose]();
    const other = await createRelayField({
      kinds: blocked,
      store: { ...store, read: async () => null },
      network: 'café',
    });
    assert.ok((await other.timeToSession(60_000)) < HEAD_START_MS);
    await other[Symbol.asyncDispose]();
  });

  it('shows a censor the same few relays, whatever is tried, while one of them works', async () => {
    const store = memoryStore();
    const shown = new Set<number>();
    const kinds = all(200, 'works');
    for (let seed = 1; seed <= 10; seed += 1) {
      await using field = await createRelayField({ kinds, seed: 1, store, network: `network ${seed}` });
      await field.timeToSession(60_000);
      for (const { relay } of field.dials) shown.add(relay);
    }
    assert.ok(shown.size <= SAMPLE_ENTRIES, `${shown.size} relays`);
  });

  it('tries entries that are out of their time last, also those that were in the sample', async () => {
    const store = memoryStore();
    const stale = 40;
    const isStale = (index: number) => index < stale;
    const before = await createRelayField({ kinds: all(stale, 'works'), store, network: 'another' });
    await before.timeToSession(60_000);
    await before[Symbol.asyncDispose]();
    const kinds = [...all(stale, 'works'), ...all(20, 'refused')];
    await using field = await createRelayField({ kinds, store, isExpired: isStale });
    await field.timeToSession(60_000);
    const order = field.dials.map(({ relay }) => isStale(relay));
    assert.equal(order.indexOf(true), kinds.length - stale);
  });

  it('tries all where all are out of their time', async () => {
    const kinds = [...all(20, 'refused'), 'works' as const];
    await using field = await createRelayField({ kinds, isExpired: () => true });
    await field.timeToSession(60_000);
  });

  it('counts failures by entry, phase and kind, and no address', async () => {
    const kinds: RelayKind[] = ['refused', 'silent', 'blackhole', 'handshake-only', 'works'];
    await using field = await createRelayField({ kinds: kinds.slice(0, 4), explain: true });
    await field.clock.advance(15_000);
    assert.equal(field.pool.isLive(), false);
    const of = (index: number) => {
      const found = field.failures.get().find(({ tag }) => tag === `tag-${index}`);
      return `${found?.transport} ${found?.phase} ${found?.code}`;
    };
    assert.equal(of(0), 'opaque connect refused');
    assert.equal(of(1), 'opaque connect timed-out');
    assert.equal(of(2), 'opaque handshake timed-out');
    assert.equal(of(3), 'opaque check timed-out');
    const told = field.events.filter(({ event }) => event === 'establish.failures');
    assert.ok(told.length >= 4);
    assert.ok(!/192\./.test(JSON.stringify([field.events, field.failures.take()])));
    assert.deepEqual(field.failures.get(), []);
    assert.ok(!field.events.some(({ event }) => event === 'session.opened'), 'a session that did not pass is told of');
  });

  it('waits longer in each pass, never gives up, and asks for newer lists after each round', async () => {
    let refreshes = 0;
    const refreshLists = async () => {
      refreshes += 1;
      throw new Error('no lists either');
    };
    await using field = await createRelayField({ kinds: ['silent'], refreshLists });
    await field.clock.advance(ROUND_MS * 4);
    assert.ok(refreshes >= 2 && refreshes <= 4, `${refreshes} times`);
    const waits = field.dials.slice(1).map(({ atMs }, index) => atMs - (field.dials[index]?.atMs ?? 0));
    assert.ok((waits[0] ?? 0) < 5000 && (waits.at(-1) ?? 0) >= 12_000);
    field.network.restore({ host: '192.0.0.0', port: 443 });
    const more = await field.timeToSession(60_000);
    assert.ok(more > 0);
  });

  it('keeps trying while lists are being fetched for ever', async () => {
    const refreshLists = () => new Promise<void>(() => {});
    await using field = await createRelayField({ kinds: ['refused'], refreshLists });
    await field.clock.advance(ROUND_MS * 3);
    assert.ok(field.dials.some(({ atMs }) => atMs > ROUND_MS * 2.5));
  });

  it('resolves names within the time of an attempt, and says when they are forged', async () => {
    const lookups: string[] = [];
    const resolve = createNameResolver(async (name) => {
      lookups.push(name);
      if (name === 'r0.example') return ['10.10.34.35'];
      if (name === 'r1.example') throw new Error('ENOTFOUND r1.example');
      if (name === 'r2.example') return await new Promise<never>(() => {});
      return ['1.2.3.4'];
    });
    const nameOf = (index: number) => `r${index}.example`;
    await using field = await createRelayField({ kinds: all(4, 'works'), nameOf, resolve });
    await field.clock.advance(4000);
    const codes = [0, 1, 2, 3].map((index) => {
      const found = field.failures.get().find(({ tag }) => tag === `tag-${index}`);
      return `${found?.phase} ${found?.code}`;
    });
    assert.deepEqual(codes, ['resolve name-forged', 'resolve name-not-found', 'resolve timed-out', 'connect refused']);
  });

  it('makes few connections at once to one host that many entries name', async () => {
    const nameOf = () => 'front.example';
    const resolve = async () => '192.0.0.0';
    await using field = await createRelayField({ kinds: all(30, 'silent'), nameOf, resolve });
    await field.clock.advance(20_000);
    assert.equal(field.most.toOne, DIALS_PER_HOST);
    assert.ok(field.dials.length >= 20);
  });

  it('ends attempts with the client, and leaves nothing', async () => {
    const field = await createRelayField({ kinds: [...all(50, 'silent'), ...all(50, 'blackhole')] });
    await field.clock.advance(5000);
    await field[Symbol.asyncDispose]();
    await field.clock.advance(ROUND_TRIP_MS);
    // What is swallowed on the way does not tell the other end that it is over.
    assert.ok(field.network.connections.every(({ client }) => client.destroyed));
    assert.equal(field.clock.pendingTimers, 0);
  });
});
