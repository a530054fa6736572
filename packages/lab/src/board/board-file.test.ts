import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ProgramError } from '@rozan/tunnel/program';
import { BoardFile, readBoard, readInterrupted } from './board-file.ts';
import type { Scoreboard } from './scoreboard.ts';

const BOARD: Scoreboard = {
  v: 1,
  commit: 'abc',
  date: '2026-11-27T00:00:00Z',
  seed: 1,
  scenario: {
    kind: 'matrix',
    title: 'x',
    policies: ['*'],
    subjects: ['*'],
    adaptiveSessions: 4,
    otherSessions: 4,
    survivalBytes: 0,
    benignTimes: 0,
  },
  tookSeconds: 60,
  policies: [],
  subjects: [],
  cells: [],
  falsePositives: [],
  controls: [],
  skipped: [],
  replay: null,
};

test('an interrupted run is taken up only by one of the same commit, seed and scenario', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'board.json');
  assert.equal(await readInterrupted(path, BOARD), null);
  const file = new BoardFile(path);
  // The second comes too soon after the first; what is written last is what counts.
  file.keep({ ...BOARD, tookSeconds: 1 });
  file.keep({ ...BOARD, tookSeconds: 2 });
  await file.write(BOARD);
  assert.deepEqual(await readInterrupted(path, BOARD), BOARD);
  assert.deepEqual(await readdir(folder), ['board.json']);
  // What is undefined in one and missing in the other is the same.
  const scenario = { ...BOARD.scenario, variantSessions: undefined };
  assert.deepEqual(await readInterrupted(path, { ...BOARD, scenario } as Scoreboard), BOARD);
  for (const other of [{ commit: 'def' }, { seed: 2 }, { scenario: { ...BOARD.scenario, title: 'y' } }]) {
    await assert.rejects(readInterrupted(path, { ...BOARD, ...other }), ProgramError);
  }
});

test('a file that is no board is refused', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const path = join(folder, 'x.json');
  for (const text of ['', '{}', '{"v":2}', 'null']) {
    await writeFile(path, text);
    await assert.rejects(readBoard(path), ProgramError, text);
  }
});
