import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saveData } from './metered.ts';

test('saving data narrows what is tried at the same time, and leaves all else as tactics have it', () => {
  assert.deepEqual(saveData({ silenceMs: 4000 }), { silenceMs: 4000, raceWidth: 3, wideRaceWidth: 8, canaryShare: 0 });
  assert.deepEqual(saveData({ raceWidth: 2, wideRaceWidth: 50, canaryShare: 1 }), {
    raceWidth: 2,
    wideRaceWidth: 8,
    canaryShare: 0,
  });
});
