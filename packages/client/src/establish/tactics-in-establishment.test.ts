import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { TacticsSettings } from '@rozan/protocol';
import { SeededRandom } from '@rozan/tunnel/testing';
import { RACE_PACE } from '../limits.ts';
import { createRelayField, DEAD_PORT, type RelayKind } from './testing/relay-field.ts';
import { TransportPlaces } from './transport-places.ts';

const DEAD = {
  transport: 'websocket',
  params: { tls: 'none', path: '/a', alpn: [], cookie: 'id', key: Buffer.alloc(32).toString('base64url') },
};
const AVOID: TacticsSettings = { avoid: [{ transport: 'websocket', params: { tls: 'none' } }] };

const all = (count: number, kind: RelayKind): RelayKind[] => Array.from({ length: count }, () => kind);

describe('establishment with tactics', () => {
  it('tries ways that are to be avoided after all others, and does try them', async () => {
    await using control = await createRelayField({ kinds: all(8, 'works'), deadTransport: DEAD });
    await control.timeToSession(60_000);
    assert.equal(control.dials[0]?.port, DEAD_PORT);
    await using field = await createRelayField({ kinds: all(8, 'works'), deadTransport: DEAD, tactics: AVOID });
    await field.timeToSession(60_000);
    assert.ok(field.dials.every(({ port }) => port !== DEAD_PORT));
    await using blocked = await createRelayField({ kinds: all(8, 'silent'), deadTransport: DEAD, tactics: AVOID });
    await blocked.clock.advance(10_000);
    const ports = blocked.dials.slice(0, 16).map(({ port }) => port);
    assert.ok(ports.slice(0, 8).every((port) => port !== DEAD_PORT));
    assert.ok(ports.slice(8).every((port) => port === DEAD_PORT));
  });

  it('begins with the transport that weighs most', async () => {
    const tactics = { transportWeights: { opaque: 100, websocket: 0.01 } };
    await using field = await createRelayField({ kinds: all(8, 'works'), deadTransport: DEAD, tactics });
    await field.timeToSession(60_000);
    assert.notEqual(field.dials[0]?.port, DEAD_PORT);
  });

  it('goes at the pace that they set', async () => {
    const kinds = all(60, 'silent');
    const tactics = { raceWidth: 4, wideRaceWidth: 8, staggerMs: 300, patienceMs: 2000 };
    await using field = await createRelayField({ kinds, tactics });
    await field.clock.advance(2500);
    assert.equal(field.most.inAll, 4);
    await field.clock.advance(8000);
    assert.equal(field.most.inAll, 8);
    await using control = await createRelayField({ kinds });
    await control.clock.advance(2500);
    assert.equal(control.most.inAll, RACE_PACE.narrowWidth);
  });
});

describe('the place of a transport', () => {
  it('is the first as often as its weight says, and stays while the weights do', () => {
    const random = new SeededRandom(1);
    const tactics = { transportWeights: { a: 3, b: 0.5 } };
    const firsts = Array.from({ length: 3000 }, () => {
      const places = new TransportPlaces(random, ['a', 'b', 'c']);
      const placed = () => ['a', 'b', 'c'].map((name) => places.placeOf(name, tactics));
      const [a = 0, b = 0, c = 0] = placed();
      assert.deepEqual(placed(), [a, b, c]);
      const first = Math.min(a, b, c);
      return first === c ? 'c' : { [a]: 'a', [b]: 'b' }[first];
    });
    const share = (name: string) => firsts.filter((first) => first === name).length / firsts.length;
    assert.ok(Math.abs(share('a') - 3 / 4.5) < 0.04, `${share('a')}`);
    assert.ok(Math.abs(share('b') - 0.5 / 4.5) < 0.03, `${share('b')}`);
  });

  it('is the same for all without weights', () => {
    const places = new TransportPlaces(new SeededRandom(1), ['a', 'b']);
    assert.deepEqual([places.placeOf('a', {}), places.placeOf('b', {})], [0, 0]);
    places.placeOf('a', { transportWeights: { a: 2 } });
    assert.equal(places.placeOf('a', {}), 0);
  });
});
