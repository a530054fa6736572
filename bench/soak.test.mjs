import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judge, sparkline } from './soak-memory.mjs';
import { changesOf } from './soak-weather.mjs';

const CHANGES = 300;

const seen = (seed) =>
  changesOf(seed)
    .take(CHANGES)
    .map(({ name, pauseMs }) => ({ name, pauseMs }))
    .toArray();

describe('the line of a soak', () => {
  it('changes alike with the same seed, and differently with another', () => {
    assert.deepEqual(seen('7'), seen('7'));
    assert.notDeepEqual(seen('7'), seen('8'));
  });

  it('goes through everything that a bad line does', () => {
    const kinds = new Set(
      changesOf('7')
        .take(CHANGES)
        .map(({ kind }) => kind),
    );
    assert.deepEqual([...kinds].toSorted(), ['delay', 'fin', 'outage', 'rate', 'rst', 'stall']);
    for (const { pauseMs } of seen('9')) assert.ok(pauseMs >= 1000 && pauseMs < 8000);
  });
});

describe('the verdict on memory', () => {
  const samples = (mibOf) =>
    Array.from({ length: 600 }, (_, seconds) => ({ seconds, mib: mibOf(seconds), files: seconds }));
  const bounds = { warmUpSeconds: 60, mostGrowth: 0.25 };

  it('is flat where it goes up and down', () => {
    const { isFlat, firstMiB, lastMiB, mostMiB } = judge(
      samples((seconds) => 100 + 20 * (seconds % 3)),
      bounds,
    );
    assert.deepEqual([isFlat, firstMiB, lastMiB, mostMiB], [true, 120, 120, 140]);
  });

  it('does not count what comes while it warms up', () => {
    assert.equal(
      judge(
        samples((seconds) => Math.min(100, seconds * 2)),
        bounds,
      ).isFlat,
      true,
    );
  });

  it('is not flat where it grows all the time', () => {
    const { isFlat, growth } = judge(
      samples((seconds) => 100 + seconds / 5),
      bounds,
    );
    assert.equal(isFlat, false);
    assert.ok(growth > 0.25);
  });

  it('draws the samples', () => {
    assert.equal(sparkline([0, 50, 100]), '▁▅█');
    assert.equal(sparkline(Array.from({ length: 600 }, () => 3)).length, 60);
  });
});
