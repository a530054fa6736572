import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saveData } from './metered.ts';

const SAVED = { raceWidth: 3, wideRaceWidth: 8, canaryShare: 0 };

test('saving data narrows what is tried and held at the same time, and leaves all else as tactics have it', () => {
  assert.deepEqual(saveData({ silenceMs: 4000 }, { adaptive: true }), { silenceMs: 4000, ...SAVED, mostCarriers: 2 });
  assert.deepEqual(
    saveData({ raceWidth: 2, wideRaceWidth: 50, canaryShare: 1, carriers: 4, mostCarriers: 8 }, { adaptive: true }),
    { ...SAVED, raceWidth: 2, carriers: 2, mostCarriers: 2 },
  );
  assert.equal(saveData({ mostCarriers: 1 }, { adaptive: true }).mostCarriers, 1);
});

test('saving data leaves as many carriers as a person has set', () => {
  assert.deepEqual(saveData({}, { adaptive: false }), SAVED);
});
