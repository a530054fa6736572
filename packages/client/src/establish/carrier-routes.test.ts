import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ServerEntry } from '@rozan/protocol';
import { type AttachedCarrier, type Env, RelayClock, TunnelError, type TunnelErrorCode } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { REROUTE_AFTER_MS, REROUTE_AFTER_SILENCE_MS, REROUTE_STAGGER_MS, RETURN_BACKOFF } from '../limits.ts';
import { CarrierRoutes, type RouteDialer } from './carrier-routes.ts';

const NEVER = new AbortController().signal;
const attach = () => ({ kind: 'new' }) as const;

/** How a relay answers: with a carrier, with an error, or never. */
type Answer = 'carrier' | TunnelErrorCode | 'silence';

class FakeRelay implements RouteDialer {
  readonly entry: ServerEntry;
  readonly relayClock: RelayClock;
  readonly askedMs: number[] = [];
  readonly homes: (string | undefined)[] = [];
  answer: Answer;
  aborted = 0;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock, tag: string, answer: Answer) {
    this.#clock = clock;
    this.entry = { tag } as ServerEntry;
    this.relayClock = new RelayClock(clock);
    this.answer = answer;
  }

  dial(...[nextAttach, signal, home]: Parameters<RouteDialer['dial']>): Promise<AttachedCarrier> {
    nextAttach();
    this.askedMs.push(this.#clock.monotonicMs());
    this.homes.push(home?.entry.tag);
    return new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        this.aborted += 1;
        reject(signal.reason);
      });
      if (this.answer === 'silence') return;
      if (this.answer !== 'carrier') reject(new TunnelError(this.answer, 'no'));
      else {
        const through = home === undefined ? {} : { through: this.entry.tag };
        resolve({ link: { roundTripMs: 10, ...through } } as AttachedCarrier);
      }
    });
  }
}

function setUp(home: Answer, others: readonly Answer[]) {
  const clock = new ManualClock();
  const env: Env = { clock, network: new MemoryNetwork({ clock }), random: new SeededRandom(3), log: () => {} };
  const relays = others.map((answer, index) => new FakeRelay(clock, `relay ${index}`, answer));
  const own = new FakeRelay(clock, 'home', home);
  const state = { isSilent: false };
  const routes = new CarrierRoutes<FakeRelay>(env, {
    home: own,
    others: async () => relays,
    isSilent: () => state.isSilent,
  });
  const dial = () => routes.dial(attach, NEVER);
  return { clock, routes, relays, own, state, dial };
}

const asked = (relays: readonly FakeRelay[]): number => relays.reduce((sum, { askedMs }) => sum + askedMs.length, 0);

test('a home that answers is asked alone', async () => {
  const { routes, relays, dial } = setUp('carrier', ['carrier', 'carrier']);
  const { link } = await dial();
  assert.equal(link.through, undefined);
  assert.equal(routes.through, null);
  assert.equal(asked(relays), 0);
});

test('a home that fails has others asked at once, one that is silent after a while', async () => {
  const failing = setUp('refused', ['carrier', 'carrier']);
  assert.equal((await failing.dial()).link.through, 'relay 0');
  assert.deepEqual(failing.relays[0]?.homes, ['home']);
  assert.equal(asked(failing.relays), 1);
  for (const [isSilent, afterMs] of [
    [false, REROUTE_AFTER_MS],
    [true, REROUTE_AFTER_SILENCE_MS],
  ] as const) {
    const silent = setUp('silence', ['carrier']);
    silent.state.isSilent = isSilent;
    const dialled = silent.dial();
    await silent.clock.advance(afterMs - 1);
    assert.equal(asked(silent.relays), 0);
    await silent.clock.advance(1);
    assert.equal((await dialled).link.through, 'relay 0');
    assert.equal(silent.own.aborted, 1, 'nothing is left of the attempt at the home');
  }
});

test('few others are asked at a time, one after the other; those that said no come last the next time', async () => {
  const { clock, relays, dial } = setUp('refused', ['silence', 'not-forwarded', ...Array(4).fill('silence')]);
  dial().catch(() => {});
  await clock.advance(0);
  assert.deepEqual(
    relays.map(({ askedMs }) => askedMs.length),
    [1, 0, 0, 0, 0, 0],
  );
  await clock.advance(REROUTE_STAGGER_MS);
  // The second says no at once, so the third follows.
  assert.deepEqual(
    relays.map(({ askedMs }) => askedMs.length),
    [1, 1, 1, 0, 0, 0],
  );
  await clock.advance(10 * REROUTE_STAGGER_MS);
  assert.deepEqual(
    relays.map(({ askedMs }) => askedMs.length),
    [1, 1, 1, 1, 0, 0],
  );
  for (const relay of relays) relay.answer = 'not-forwarded';
  const again = dial();
  await assert.rejects(again, { code: 'refused' }, 'why the home failed is what is told');
  assert.deepEqual(
    relays.map(({ askedMs }) => askedMs.length),
    [2, 1, 2, 2, 1, 0],
  );
  for (const relay of relays.slice(0, 5)) relay.answer = 'silence';
  const [, , , , , last] = relays;
  if (last !== undefined) last.answer = 'carrier';
  assert.equal((await dial()).link.through, 'relay 5', 'the one that was not asked before is the first now');
});

test('only the home can end the session', async () => {
  const direct = setUp('unknown-session', ['carrier']);
  await assert.rejects(direct.dial(), { code: 'unknown-session' });
  assert.equal(asked(direct.relays), 0);
  const through = setUp('refused', ['unknown-session', 'carrier']);
  await assert.rejects(through.dial(), { code: 'unknown-session' });
  assert.equal(asked(through.relays), 1);
});

test('what is rerouted asks its forwarder first, the home beside it, and goes back when that answers', async () => {
  const { clock, routes, relays, own, dial } = setUp('refused', ['not-forwarded', 'carrier']);
  await dial();
  assert.equal(routes.through, 'relay 1');
  assert.equal(own.askedMs.length, 1);
  await dial();
  assert.deepEqual(
    relays.map(({ askedMs }) => askedMs.length),
    [1, 2],
  );
  assert.equal(own.askedMs.length, 1, 'the home was not asked again');
  own.answer = 'carrier';
  for (const relay of relays) relay.answer = 'silence';
  const dialled = dial();
  await clock.advance(REROUTE_STAGGER_MS);
  assert.equal((await dialled).link.through, undefined);
  assert.equal(routes.through, null);
});

test('returns are tried ever more rarely, and soon again once the home has held', async () => {
  const { clock, routes, own, dial } = setUp('refused', ['carrier']);
  await dial();
  const times = Array.from({ length: 8 }, () => routes.nextReturnMs());
  assert.ok(times.every((ms) => ms >= RETURN_BACKOFF.minMs / 2 && ms <= RETURN_BACKOFF.maxMs));
  assert.ok((times.at(-1) ?? 0) >= RETURN_BACKOFF.maxMs / 2);
  own.answer = 'carrier';
  await routes.dialDirect(attach, NEVER);
  own.answer = 'refused';
  await dial();
  assert.ok(routes.nextReturnMs() >= RETURN_BACKOFF.maxMs / 2, 'it did not hold');
  own.answer = 'carrier';
  await routes.dialDirect(attach, NEVER);
  own.answer = 'refused';
  await clock.advance(100_000);
  await dial();
  assert.ok(routes.nextReturnMs() <= RETURN_BACKOFF.minMs);
});
