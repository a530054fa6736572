import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type FoulEnd, type FoundLimits, LimitFinder, type Measure } from './limit-finder.ts';

type End = Omit<FoulEnd, 'bornMs' | 'deadAgeMs'> & Partial<FoulEnd>;

const fill = (end: End, nowMs: number): FoulEnd => ({ bornMs: nowMs - end.ageMs, deadAgeMs: end.ageMs, ...end });

/** What is found after these ends, minutes from each other. */
function after(ends: readonly End[]) {
  const finder = new LimitFinder();
  ends.forEach((end, index) => {
    const nowMs = 600_000 * (index + 1);
    finder.note(fill(end, nowMs), nowMs);
  });
  return finder.found;
}

/** Canaries outlive the limit. */
function refute(finder: LimitFinder, measure: Measure): void {
  const alive = 2 * (finder.found[measure] ?? 0);
  for (let canary = 0; canary < 2; canary += 1) finder.noteCanary(measure, { alive, dead: null });
}

const share = (from: number, to: number) => fc.double({ min: from, max: to, noNaN: true });

describe('LimitFinder', () => {
  it('finds an age at which carriers are cut, whatever they have carried', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20_000, max: 90_000 }),
        fc.array(fc.tuple(share(0.98, 1.02), share(0.02, 1)), { minLength: 4, maxLength: 4 }),
        (limitMs, draws) => {
          const bytes = draws.map(([, part]) => part * 1e7).toSorted((a, b) => a - b);
          fc.pre((bytes[0] ?? 0) * 2 < (bytes[2] ?? 0) && (bytes[1] ?? 0) * 2 < (bytes[3] ?? 0));
          const found = after(draws.map(([age, part]) => ({ ageMs: age * limitMs, bytes: part * 1e7 })));
          assert.equal(found.bytes, null);
          assert.ok(found.ageMs !== null && found.ageMs > 0.9 * limitMs && found.ageMs < limitMs);
        },
      ),
    );
  });

  it('finds the bytes after which carriers are frozen, whatever time that took', () => {
    const ends = [12_000, 300, 40_000, 2000].map((ageMs, index) => ({ ageMs, bytes: 15_000 + 900 * index }));
    const found = after(ends);
    assert.equal(found.ageMs, null);
    assert.ok(found.bytes !== null && found.bytes > 13_000 && found.bytes <= 15_000);
  });

  it('goes up to what canaries have carried that died, and takes it for proven', () => {
    const finder = new LimitFinder();
    for (const [index, bytes] of [14_000, 12_000, 15_500].entries()) {
      const nowMs = 600_000 * (index + 1);
      finder.note(fill({ ageMs: 3000 * 2 ** index, bytes }, nowMs), nowMs);
    }
    assert.equal(finder.found.bytes, 0.9 * 12_000);
    assert.equal(finder.noteCanary('bytes', { alive: 15_600, dead: 15_600 }), false);
    assert.ok(finder.isUnproven('bytes'));
    assert.equal(finder.noteCanary('bytes', { alive: 15_400, dead: 15_400 }), true);
    assert.equal(finder.found.bytes, 0.9 * 15_400);
    assert.ok(!finder.isUnproven('bytes'));
  });

  it('tells the two apart where carriers are always full', () => {
    const byAge = [1, 1.2, 0.9, 1.1].map((rate) => ({ ageMs: 60_000, bytes: 60_000 * rate * 1000 }));
    assert.notEqual(after(byAge).ageMs, null);
    assert.equal(after(byAge).bytes, null);
    const byBytes = [1, 1.3, 0.8, 1.2].map((rate) => ({ ageMs: 20_000 / rate, bytes: 5_000_000 }));
    assert.equal(after(byBytes).ageMs, null);
    assert.notEqual(after(byBytes).bytes, null);
  });

  it('knows the age of carriers that fell silent while idle only when enough has narrowed it down', () => {
    const silent = (ageMs: number, deadAgeMs: number, index: number) => ({ ageMs, deadAgeMs, bytes: 900 * 7 ** index });
    const wide = [silent(10_000, 40_000, 0), silent(15_000, 60_000, 1), silent(5000, 30_000, 2)];
    assert.equal(after(wide).ageMs, null);
    const { ageMs } = after([...wide, silent(22_000, 45_000, 3)]);
    assert.ok(ageMs !== null && ageMs > 20_000 && ageMs < 22_000, `${ageMs}`);
  });

  it('sees carriers that die one after the other, quickly', () => {
    const finder = new LimitFinder();
    for (let index = 0; index < 4; index += 1) {
      finder.note(fill({ ageMs: 200 + 90 * index, bytes: 35_000 + 100 * index }, 1000 * index), 1000 * index);
    }
    assert.notEqual(finder.found.bytes, null);
  });

  it('does not take one event for many', () => {
    const finder = new LimitFinder();
    for (let carrier = 0; carrier < 8; carrier += 1) {
      finder.note(fill({ ageMs: 40_000, bytes: 1_000_000 }, 100_000), 100_000 + carrier);
    }
    assert.deepEqual(finder.found, { ageMs: null, bytes: null });
  });

  it('finds nothing in deaths that have nothing in common', () => {
    const ages = [3000, 70_000, 9000, 150_000, 24_000, 400_000, 51_000, 1500];
    assert.deepEqual(after(ages.map((ageMs, index) => ({ ageMs, bytes: 10_000 * 3 ** (index % 5) }))), {
      ageMs: null,
      bytes: null,
    });
  });

  it('takes carriers that die idle, at any age, for no sign of a limit of bytes', () => {
    // A ping and its answer each 45 s.
    const idle = [620, 700, 790, 600].map((ageS) => ({ ageMs: 1000 * ageS, bytes: (800 * ageS) / 45 }));
    assert.equal(after(idle).bytes, null);
  });

  it('believes in no limit that a carrier has gone far beyond since', () => {
    const ages = [3000, 9000, 50_000, 700];
    assert.equal(
      after(ages.map((ageMs, index) => ({ ageMs, bytes: [10_000, 9e6, 11_000, 12_000][index] ?? 0 }))).bytes,
      null,
    );
    // What was carried before may have been before he began.
    assert.notEqual(
      after(ages.map((ageMs, index) => ({ ageMs, bytes: [9e6, 10_000, 11_000, 12_000][index] ?? 0 }))).bytes,
      null,
    );
  });

  it('takes over what it is told until it has seen better, and does not believe it a second time', () => {
    const finder = new LimitFinder();
    const found = (): FoundLimits => finder.found;
    const cut = (ageMs: number) => {
      for (let index = 1; index <= 4; index += 1) {
        finder.note(fill({ ageMs, bytes: 1000 * 5 ** index }, 100_000 * index), 100_000 * index);
      }
    };
    finder.suggest({ ageMs: 60_000, bytes: null });
    assert.deepEqual(found(), { ageMs: 60_000, bytes: null });
    finder.suggest({ ageMs: 50_000, bytes: 18_000 });
    assert.deepEqual(found(), { ageMs: 50_000, bytes: 18_000 });
    cut(20_000);
    const own = found().ageMs;
    assert.ok(own !== null && own <= 20_000);
    finder.suggest({ ageMs: 40_000, bytes: null });
    assert.deepEqual(found(), { ageMs: own, bytes: null });
    // Canaries have outlived what was seen, and then what was told.
    refute(finder, 'ageMs');
    assert.equal(found().ageMs, 40_000);
    refute(finder, 'ageMs');
    finder.suggest({ ageMs: 40_000, bytes: null });
    assert.equal(found().ageMs, null);
    finder.suggest({ ageMs: 30_000, bytes: null });
    assert.equal(found().ageMs, 30_000);
  });

  it('finds a lower limit later, never raises one by itself, and forgets one when it is told', () => {
    const finder = new LimitFinder();
    let nowMs = 0;
    const cut = (ageMs: number) => {
      for (let index = 0; index < 4; index += 1) {
        nowMs += 100_000;
        finder.note(fill({ ageMs, bytes: 1000 * 5 ** index }, nowMs), nowMs);
      }
    };
    cut(60_000);
    const first = finder.found.ageMs ?? 0;
    cut(20_000);
    assert.ok((finder.found.ageMs ?? 0) < first);
    cut(60_000);
    assert.ok((finder.found.ageMs ?? 0) <= 20_000);
    refute(finder, 'ageMs');
    assert.equal(finder.found.ageMs, null);
  });

  it('takes what it has found for chance when canaries outlive it, wants more ends alike then, and has proof where they die', () => {
    const finder = new LimitFinder();
    let nowMs = 0;
    const cut = (times: number) => {
      for (let index = 0; index < times; index += 1) {
        nowMs += 100_000;
        finder.note(fill({ ageMs: 10_000, bytes: 1000 * 5 ** index }, nowMs), nowMs);
      }
    };
    cut(3);
    assert.ok(finder.isUnproven('ageMs'));
    // Dead long before the limit, or let go below it: that is no news.
    assert.equal(finder.noteCanary('ageMs', { alive: 4000, dead: 4100 }), false);
    assert.equal(finder.noteCanary('ageMs', { alive: 9000, dead: null }), false);
    refute(finder, 'ageMs');
    cut(3);
    assert.equal(finder.found.ageMs, null);
    cut(1);
    assert.notEqual(finder.found.ageMs, null);
    for (let canary = 0; canary < 2; canary += 1) finder.noteCanary('ageMs', { alive: 9900, dead: 10_000 });
    assert.equal(finder.isUnproven('ageMs'), false);
  });
});
