import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CellResult } from './cell.ts';
import type { Scoreboard } from './scoreboard.ts';
import { findShortfalls, formatShortfalls } from './shortfalls.ts';

const CELL: CellResult = {
  subject: 'ours',
  policy: 'C01',
  reached: { k: 60, n: 60 },
  bootstrapMs: { p50: 1, p95: 1 },
  survival: null,
  failures: {},
  goodputShare: null,
  reconnectsPerHour: null,
  censor: { connections: 1, acted: 0 },
  probes: null,
};
const BROKEN = {
  wantedBytes: 50e6,
  bytes: 20e6,
  isWhole: false,
  seconds: 75,
  longestStallSeconds: 45,
  connections: 3,
  why: 'only a part came',
};

function board(cells: readonly CellResult[]): Scoreboard {
  const scenario: Scoreboard['scenario'] = {
    kind: 'matrix',
    title: 'x',
    policies: [],
    subjects: [],
    adaptiveSessions: 60,
    otherSessions: 5,
    survivalBytes: 0,
    benignTimes: 0,
  };
  return {
    v: 1,
    commit: 'abc',
    date: '2026-11-27T00:00:00Z',
    seed: 1,
    scenario,
    tookSeconds: 1,
    policies: [
      { id: 'C01', name: 'x', source: 'y' },
      { id: 'C09', name: 'x', source: 'y', hopeless: 'a blackout' },
    ],
    subjects: [
      { name: 'ours', family: 'ours', isAdaptive: true, labels: {} },
      { name: 'peer', family: 'peer', isAdaptive: false, labels: {} },
    ],
    cells,
    falsePositives: [],
    controls: [],
    skipped: [],
    replay: null,
  };
}

test('what falls short is told with why; a peer is not asked', () => {
  const peer = { ...CELL, subject: 'peer', reached: { k: 0, n: 3 } };
  assert.deepEqual(findShortfalls(board([CELL, { ...CELL, reached: { k: 57, n: 60 } }, peer])), []);
  const few = { ...CELL, reached: { k: 56, n: 60 }, failures: { 'no byte came': 4 } };
  const [first, second, third, ...rest] = findShortfalls(
    board([few, { ...CELL, survival: BROKEN }, { ...few, policy: 'C09' }]),
  );
  assert.equal(first?.why, '4 times: no byte came');
  assert.match(second?.what ?? '', /^20\.0 of 50\.0 MB in 75 s$/);
  assert.match(second?.why ?? '', /only a part came; nothing for 45 s, 3 connections/);
  assert.equal(third?.why, 'a blackout');
  assert.deepEqual(rest, []);
  assert.match(formatShortfalls(board([CELL])), /in every cell/);
});
