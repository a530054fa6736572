import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '@rozan/tunnel/testing';
import { openStampMark } from './stamp-mark.ts';

const STAMP_MS = 1_369_612_800_000;

test('a new mark refuses nothing', async (context) => {
  const mark = await openStampMark(join(await temporaryFolder(context), 'mark'));
  assert.equal(mark.restoredMs, Number.NEGATIVE_INFINITY);
  assert.equal(mark.clockBehindMs(STAMP_MS), 0);
  await mark.close();
});

test('what was covered is below the mark of the next run, however the first one ended', async (context) => {
  const path = join(await temporaryFolder(context), 'mark');
  const killed = await openStampMark(path);
  await killed.cover(STAMP_MS);
  const next = await openStampMark(path);
  assert.ok(next.restoredMs >= STAMP_MS && next.restoredMs < STAMP_MS + 1000);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.equal(next.clockBehindMs(STAMP_MS), 0);
  assert.equal(next.clockBehindMs(STAMP_MS - 60_000), 60_000);
});

test('closing leaves the exact mark, and an older stamp does not lower it', async (context) => {
  const path = join(await temporaryFolder(context), 'mark');
  const mark = await openStampMark(path);
  await mark.cover(STAMP_MS);
  await mark.cover(STAMP_MS - 80_000);
  await mark.close();
  assert.equal(await readFile(path, 'utf8'), `${STAMP_MS}\n`);
  assert.equal((await openStampMark(path)).restoredMs, STAMP_MS);
  await assert.rejects(mark.cover(STAMP_MS), { code: 'replay-file-failed' });
});

test('stamps that come together are all covered when their promises resolve', async (context) => {
  const path = join(await temporaryFolder(context), 'mark');
  const mark = await openStampMark(path);
  await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const stampMs = STAMP_MS + (index % 20) * 400;
      await mark.cover(stampMs);
      assert.ok(Number(await readFile(path, 'utf8')) >= stampMs);
    }),
  );
  await mark.close();
  assert.equal(await readFile(path, 'utf8'), `${STAMP_MS + 19 * 400}\n`);
});

test('a stamp that cannot be written is not covered; a broken or readable file is not believed', async (context) => {
  const folder = await temporaryFolder(context);
  const path = join(folder, 'mark');
  await mkdir(`${path}.tmp`);
  const mark = await openStampMark(path);
  await assert.rejects(mark.cover(STAMP_MS), { code: 'replay-file-failed' });
  for (const text of ['', '12', 'x\n', '-5\n']) {
    await writeFile(path, text, { mode: 0o600 });
    await assert.rejects(openStampMark(path), { code: 'folder-broken' });
  }
  await writeFile(path, `${STAMP_MS}\n`);
  await chmod(path, 0o644);
  await assert.rejects(openStampMark(path), { code: 'folder-not-private' });
});
