import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFile, mkdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import {
  decodeReplayEntries,
  encodeReplayEntry,
  REPLAY_ENTRY_BYTES,
  type ReplayEntry,
  ReplayMemory,
} from '@rozan/protocol';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { openReplayFile, type PersistentMemory, type ReplayFileOptions } from './replay-file.ts';
import { entryOf, numberOf } from './testing/replay-entry.ts';

async function setUp(context: TestContext) {
  const path = join(await temporaryFolder(context), 'replays');
  /** Opens the file for a memory that forgets nothing unless the test takes it out of `entries`. */
  const open = async (options: Partial<ReplayFileOptions> = {}) => {
    const entries: ReplayEntry[] = [];
    const memory: PersistentMemory = {
      restore: (restored) => void entries.push(...restored),
      persistent: () => entries,
    };
    const file = await openReplayFile(path, { memory, nowMs: 0, ...options });
    const append = (number: number): Promise<void> => {
      entries.push(entryOf(number));
      return file.append(entryOf(number));
    };
    return { file, entries, append };
  };
  const numbers = async () => decodeReplayEntries(await readFile(path)).map(numberOf);
  return { path, open, numbers };
}

test('what is appended is there after a restart', async (context) => {
  const { path, open, numbers } = await setUp(context);
  const first = await open();
  await first.append(1);
  await Promise.all([first.append(2), first.append(3)]);
  assert.deepEqual(await numbers(), [1, 2, 3]);
  await first.file.close();
  await first.file.close();
  const second = await open();
  assert.deepEqual(second.entries, [entryOf(1), entryOf(2), entryOf(3)]);
  await second.append(4);
  assert.deepEqual(await numbers(), [1, 2, 3, 4]);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await second.file.close();
});

test('a torn last entry is left out, at whatever byte it was torn', async (context) => {
  const { path, open, numbers } = await setUp(context);
  for (let torn = 0; torn < REPLAY_ENTRY_BYTES; torn += 1) {
    await rm(path, { force: true });
    const before = await open();
    await before.append(1);
    await before.file.close();
    await appendFile(path, encodeReplayEntry(entryOf(2)).subarray(0, torn));
    const after = await open();
    await after.append(3);
    assert.deepEqual(await numbers(), [1, 3]);
    await after.file.close();
  }
});

test('a full file is rewritten, and refuses when that gives no room', async (context) => {
  const { open, numbers } = await setUp(context);
  const { file, entries, append } = await open({ maxEntries: 4 });
  for (const number of [1, 2, 3, 4]) await append(number);
  await assert.rejects(file.append(entryOf(5)), { code: 'replay-file-full' });
  entries.splice(0, 2);
  await file.append(entryOf(6));
  assert.deepEqual(await numbers(), [3, 4, 6]);
  assert.equal(file.count, 3);
  const results = await Promise.allSettled([7, 8, 9].map((number) => file.append(entryOf(number))));
  assert.deepEqual(
    results.map(({ status }) => status),
    ['fulfilled', 'fulfilled', 'rejected'],
  );
  await file.close();
});

test('the queue is bounded', async (context) => {
  const { open } = await setUp(context);
  const { file } = await open();
  const results = await Promise.allSettled(Array.from({ length: 5_000 }, (_, number) => file.append(entryOf(number))));
  const refused = results.filter(({ status }) => status === 'rejected');
  assert.equal(refused.length, 5_000 - 4_096);
  assert.equal(file.count, 4_096);
  await file.close();
  await assert.rejects(file.append(entryOf(1)), { code: 'replay-file-failed' });
});

test('a rewrite that fails leaves the old file in use, and appending goes on', async (context) => {
  const { path, open, numbers } = await setUp(context);
  const { file } = await open();
  await file.append(entryOf(1));
  // A folder in the way of the temporary file makes every rewrite fail, for root too.
  await mkdir(`${path}.tmp`);
  await assert.rejects(file.compact(), { code: 'EISDIR' });
  await file.append(entryOf(2));
  assert.deepEqual(await numbers(), [1, 2]);
  await file.close();
});

test("it keeps the protocol's memory over restarts, for as long as that needs it", async (context) => {
  const { path } = await setUp(context);
  const hourMs = 3_600_000;
  const startMs = Date.UTC(2026, 0, 1);
  const query = { channelId: 'default', replayId: entryOf(1).replayId, stampMs: startMs + 11 * hourMs, synced: false };
  /** A run of a relay: it sees the flight, and says what it makes of it. */
  const run = async (nowMs: number) => {
    const memory = new ReplayMemory({ startMs: nowMs });
    const file = await openReplayFile(path, { memory, nowMs });
    const verdict = memory.check({ ...query, nowMs });
    if (verdict.kind === 'fresh' && verdict.persist !== null) await file.append(verdict.persist);
    await file.close();
    return verdict.kind;
  };
  assert.equal(await run(startMs), 'fresh');
  assert.equal(await run(startMs), 'replayed');
  assert.equal(await run(startMs + 22 * hourMs), 'replayed');
  assert.equal(await run(startMs + 30 * hourMs), 'stale');
  assert.equal((await stat(path)).size, 0);
});

async function killAfter(child: ChildProcess, lineCount: number): Promise<readonly number[]> {
  assert.ok(child.stdout);
  const acknowledged: number[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line));
    if (acknowledged.length === lineCount) child.kill('SIGKILL');
  }
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  return acknowledged;
}

test('kill -9 at any moment loses nothing that was acknowledged', { timeout: 120_000 }, async (context) => {
  const { path, open } = await setUp(context);
  const writer = fileURLToPath(new URL('testing/replay-writer.ts', import.meta.url));
  const random = new SeededRandom(42);
  const acknowledged = new Set<number>();
  for (let round = 0; round < 8; round += 1) {
    const child = spawn(process.execPath, [writer, path, String(round * 100_000)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    context.after(() => child.kill('SIGKILL'));
    for (const number of await killAfter(child, 1 + random.below(120))) acknowledged.add(number);
    const { file, entries } = await open();
    const kept = new Set(entries.map(numberOf));
    assert.deepEqual(
      [...acknowledged].filter((number) => !kept.has(number)),
      [],
    );
    await file.close();
  }
  assert.ok(acknowledged.size >= 8);
});
