import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TunnelError } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { HEAD_START_MS, RACE_PACE, UNANSWERED_MS, WIDEN_MS } from '../limits.ts';
import { CandidateRace, type Stages } from './candidate-race.ts';

type Outcome = { readonly afterMs: number; readonly works: boolean } | 'silent';

/** A race of numbers; what becomes of each is told by `outcomeOf`. */
function setUp(
  stages: Partial<Stages<number>>,
  outcomeOf: (way: number) => Outcome,
  isFull?: (way: number) => boolean,
) {
  const clock = new ManualClock();
  const random = new SeededRandom(7);
  const env = { network: new MemoryNetwork({ clock }), clock, random, log: () => {} };
  const over = new AbortController();
  const started: { readonly way: number; readonly atMs: number }[] = [];
  const discarded: number[] = [];
  const open = new Set<number>();
  let mostOpen = 0;
  const race = new CandidateRace<number, number>(env, {
    stages: { remembered: [], sample: [], rest: [], ...stages },
    signal: over.signal,
    hasRoom: (way) => !isFull?.(way),
    discard: (way) => discarded.push(way),
    attempt: (way, signal) =>
      new Promise((resolve, reject) => {
        started.push({ way, atMs: clock.monotonicMs() });
        open.add(way);
        mostOpen = Math.max(mostOpen, open.size);
        const outcome = outcomeOf(way);
        const settle = (act: () => void) => {
          if (!open.delete(way)) return;
          act();
        };
        signal.addEventListener('abort', () => settle(() => reject(signal.reason)), { once: true });
        if (outcome === 'silent') return;
        const failure = new TunnelError('refused', 'as the test wants it');
        clock.setTimer(outcome.afterMs, () => settle(() => (outcome.works ? resolve(way) : reject(failure))));
      }),
  });
  return { clock, race, over, started, discarded, open, most: () => mostOpen };
}

const range = (count: number, first = 0): number[] => Array.from({ length: count }, (_, index) => first + index);
const fails: Outcome = { afterMs: 100, works: false };
const works: Outcome = { afterMs: 100, works: true };

describe('a race of candidates', () => {
  it('gives what worked last a head start', async () => {
    const setup = setUp({ remembered: [1], sample: [2, 3] }, (way) =>
      way === 1 ? { afterMs: 900, works: true } : works,
    );
    assert.equal(await setup.clock.runUntil(setup.race.run(), 10_000), 1);
    assert.deepEqual(setup.started, [{ way: 1, atMs: 0 }]);
  });

  it('goes on at once when that has failed, and after the head start when it is silent', async () => {
    const failing = setUp({ remembered: [1], sample: [2] }, (way) => (way === 1 ? fails : works));
    assert.equal(await failing.clock.runUntil(failing.race.run(), 10_000), 2);
    assert.equal(failing.started[1]?.atMs, 100);
    const silent = setUp({ remembered: [1], sample: [2] }, (way) => (way === 1 ? 'silent' : works));
    assert.equal(await silent.clock.runUntil(silent.race.run(), 10_000), 2);
    assert.equal(silent.started[1]?.atMs, HEAD_START_MS);
    assert.equal(silent.open.size, 0, 'the loser goes on');
  });

  it('begins staggered, has ten in flight at first and more after three seconds', async () => {
    const setup = setUp({ sample: range(100) }, () => 'silent');
    const running = setup.race.run();
    running.catch(() => {});
    await setup.clock.advance(WIDEN_MS - 1);
    assert.equal(setup.most(), RACE_PACE.narrowWidth);
    const times = setup.started.map(({ atMs }) => atMs);
    assert.equal(new Set(times).size, RACE_PACE.narrowWidth, 'some begin at one moment');
    await setup.clock.advance(10_000);
    assert.equal(setup.most(), RACE_PACE.wideWidth);
    setup.over.abort(new Error('enough'));
    await assert.rejects(running, /enough/);
    await setup.clock.settle();
    assert.equal(setup.open.size, 0);
    assert.equal(setup.clock.pendingTimers, 0);
  });

  it('shows no entry outside of the sample while one of the sample may still answer', async () => {
    const late = setUp({ sample: [1, 2], rest: [3] }, (way) => (way === 2 ? { afterMs: 1900, works: true } : fails));
    assert.equal(await late.clock.runUntil(late.race.run(), 10_000), 2);
    assert.deepEqual(
      late.started.map(({ way }) => way),
      [1, 2],
    );
    const failed = setUp({ sample: [1, 2], rest: [3] }, (way) => (way === 3 ? works : fails));
    assert.equal(await failed.clock.runUntil(failed.race.run(), 10_000), 3);
    const silent = setUp({ sample: [1, 2], rest: [3] }, (way) => (way === 3 ? works : 'silent'));
    assert.equal(await silent.clock.runUntil(silent.race.run(), 10_000), 3);
    const [, second, third] = silent.started;
    assert.ok(second !== undefined && third !== undefined && third.atMs >= second.atMs + UNANSWERED_MS);
  });

  it('is lost when all have failed, by the last failure', async () => {
    const setup = setUp({ remembered: [1], sample: [2], rest: [3, 4] }, () => fails);
    await assert.rejects(setup.clock.runUntil(setup.race.run(), 10_000), { code: 'refused' });
    assert.deepEqual(setup.race.progress, { trying: 0, failed: 4 });
    assert.equal(setup.clock.pendingTimers, 0);
    const nothing = setUp({}, () => fails);
    await assert.rejects(nothing.race.run(), /nothing to try/);
  });

  it('passes over what has no room, and comes back to it', async () => {
    let isFull = true;
    const setup = setUp(
      { sample: [1, 2] },
      (way) => (way === 1 ? works : fails),
      (way) => way === 1 && isFull,
    );
    const running = setup.race.run();
    await setup.clock.advance(1000);
    assert.deepEqual(
      setup.started.map(({ way }) => way),
      [2],
    );
    isFull = false;
    assert.equal(await setup.clock.runUntil(running, 10_000), 1);
  });

  it('ends with its signal, also one that is aborted before', async () => {
    const setup = setUp({ sample: [1] }, () => works);
    setup.over.abort(new Error('enough'));
    await assert.rejects(setup.race.run(), /enough/);
    assert.equal(setup.started.length, 0);
  });
});
