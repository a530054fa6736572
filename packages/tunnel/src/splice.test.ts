import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Duplex } from 'node:stream';
import { describe, test } from 'node:test';
import { TunnelError } from './errors.ts';
import type { Conn } from './network.ts';
import { createEnv } from './real-env.ts';
import { type SpliceOptions, type SpliceResult, splice } from './splice.ts';
import { turnsUntil, withoutLeaks } from './testing/leak-check.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { createMemoryPair } from './testing/memory-pipe.ts';
import { SeededRandom } from './testing/seeded-random.ts';
import { endingOf, hashAll, readAll, readExactly, writeRepeatedly } from './testing/stream-helpers.ts';

interface Line {
  /** The far ends: what they say goes through the splice. */
  readonly left: Conn;
  readonly right: Conn;
  /** The spliced ends. */
  readonly a: Conn;
  readonly b: Conn;
  readonly results: SpliceResult[];
  readonly result: Promise<SpliceResult>;
}

function createLine(options: SpliceOptions = {}, clock: ManualClock = new ManualClock()): Line {
  const { client: left, server: a } = createMemoryPair({ clock });
  const { client: b, server: right } = createMemoryPair({ clock });
  return { left, right, a, b, ...spliceTold(a, b, options) };
}

function spliceTold(a: Conn, b: Conn, options: SpliceOptions): Pick<Line, 'results' | 'result'> {
  const results: SpliceResult[] = [];
  const result = new Promise<SpliceResult>((resolve) => {
    splice(a, b, {
      ...options,
      onDone: (done) => {
        results.push(done);
        resolve(done);
      },
    });
  });
  return { results, result };
}

function listenersOf(conn: Conn): Record<string, number> {
  return Object.fromEntries(conn.eventNames().map((name) => [String(name), conn.listenerCount(name)]));
}

describe('splice: clean ends', () => {
  test('bytes go both ways and are counted', async () => {
    const { left, right, result } = createLine();
    left.end('hello');
    right.end('good day');
    assert.equal(String(await readAll(right)), 'hello');
    assert.equal(String(await readAll(left)), 'good day');
    assert.deepEqual(await result, { bytesAToB: 5, bytesBToA: 8 });
  });

  for (const first of ['left', 'right'] as const) {
    test(`half-close: ${first} ends first`, async () => {
      const line = createLine();
      const [early, late] = first === 'left' ? [line.left, line.right] : [line.right, line.left];
      early.end('question');
      assert.equal(String(await readAll(late)), 'question');
      assert.equal(line.results.length, 0);
      late.write('part ');
      assert.equal(String(await readExactly(early, 5)), 'part ');
      late.end('answer');
      assert.equal(String(await readAll(early)), 'answer');
      assert.equal((await line.result).error, undefined);
    });
  }

  test('a side that had ended before the splice began', async () => {
    const clock = new ManualClock();
    const { client: left, server: a } = createMemoryPair({ clock });
    const { client: b, server: right } = createMemoryPair({ clock });
    left.end();
    await readAll(a);
    const { result } = spliceTold(a, b, {});
    assert.equal((await readAll(right)).length, 0);
    right.end('late');
    assert.equal(String(await readAll(left)), 'late');
    assert.deepEqual(await result, { bytesAToB: 0, bytesBToA: 4 });
  });

  test('is told once, and leaves no listener behind', async () => {
    const clock = new ManualClock();
    const { client: left, server: a } = createMemoryPair({ clock });
    const { client: b, server: right } = createMemoryPair({ clock });
    const before = [listenersOf(a), listenersOf(b)];
    const { results, result } = spliceTold(a, b, { idle: { clock, idleMs: 1000 } });
    left.end('x');
    right.end('y');
    await Promise.all([readAll(left), readAll(right), once(a, 'close'), once(b, 'close')]);
    await result;
    await clock.settle();
    assert.equal(results.length, 1);
    assert.deepEqual([listenersOf(a), listenersOf(b)], before);
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('splice: failures', () => {
  for (const [broken, other] of [
    ['left', 'right'],
    ['right', 'left'],
  ] as const) {
    test(`a reset from ${broken} reaches ${other} as an error`, async () => {
      const line = createLine();
      line[broken].write('some');
      await readExactly(line[other], 4);
      const ending = endingOf(line[other]);
      line[broken].resetAndDestroy?.();
      assert.equal((await ending).kind, 'error');
      assert.ok((await line.result).error instanceof Error);
    });

    test(`a reset from ${broken} after ${other} has ended`, async () => {
      const line = createLine();
      line[other].end('bye');
      await readAll(line[broken]);
      const ending = endingOf(line[other]);
      line[broken].resetAndDestroy?.();
      assert.equal((await ending).kind, 'error');
      assert.ok((await line.result).error);
    });
  }

  for (const [closed, far] of [
    ['a', 'right'],
    ['b', 'left'],
  ] as const) {
    test(`${closed} is destroyed without an error: ${far} sees an error, not an end`, async () => {
      const line = createLine();
      const ending = endingOf(line[far]);
      line[closed].destroy();
      assert.equal((await ending).kind, 'error');
      const { error } = await line.result;
      assert.ok(error instanceof TunnelError && error.code === 'failed');
    });
  }

  test('a side that was destroyed before the splice began', async () => {
    const clock = new ManualClock();
    const { server: a } = createMemoryPair({ clock });
    const { client: b, server: right } = createMemoryPair({ clock });
    a.destroy();
    await once(a, 'close');
    const ending = endingOf(right);
    const { result } = spliceTold(a, b, {});
    assert.equal((await ending).kind, 'error');
    assert.ok((await result).error);
  });

  test('the hooks are called in place of a reset, for the side that is still open', async () => {
    const told: string[] = [];
    const boom = new Error('boom');
    const line = createLine({
      resetA: (error) => told.push(`a ${error.message}`),
      resetB: (error) => {
        told.push(`b ${error.message}`);
        line.b.destroy();
      },
    });
    line.a.destroy(boom);
    assert.equal((await line.result).error, boom);
    assert.deepEqual(told, ['b boom']);
  });

  test('a side without resetAndDestroy is destroyed with the error', async () => {
    const clock = new ManualClock();
    const { client: left, server: a } = createMemoryPair({ clock });
    const b: Conn = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
    const { result } = spliceTold(a, b, {});
    left.resetAndDestroy?.();
    const { error } = await result;
    assert.ok(error);
    assert.equal(b.destroyed, true);
    assert.equal(b.errored, error);
  });

  test('late errors end nothing, and no listener stays', async () => {
    const line = createLine();
    const before = line.b.listenerCount('error');
    line.left.resetAndDestroy?.();
    await line.result;
    line.b.emit('error', new Error('late'));
    await turnsUntil(() => line.b.closed);
    assert.equal(line.b.listenerCount('error'), before - 1);
    assert.equal(line.results.length, 1);
  });
});

describe('splice: pace', () => {
  test('back-pressure: a writer stops when the far end does not read, and all arrives in the end', async () => {
    const { left, right, result } = createLine();
    const chunk = new SeededRandom(3).bytes(16 * 1024);
    let written = 0;
    await turnsUntil(() => {
      while (!left.writableNeedDrain && written < 1000 * chunk.length) {
        left.write(chunk);
        written += chunk.length;
      }
      return false;
    }, 500);
    assert.ok(written < 1024 * 1024, `${written} bytes were taken though nobody read`);
    left.end();
    right.end();
    assert.equal((await readAll(right)).length, written);
    left.resume();
    assert.deepEqual(await result, { bytesAToB: written, bytesBToA: 0 });
  });

  test('one direction without a reader does not hold up the other', async () => {
    const { left, right } = createLine();
    await turnsUntil(() => {
      if (!left.writableNeedDrain) left.write(Buffer.alloc(16 * 1024));
      return false;
    }, 100);
    assert.equal(left.writableNeedDrain, true);
    right.end('still through');
    assert.equal(String(await readAll(left)), 'still through');
  });

  test('idle: time-out after the last byte in either direction', async () => {
    const clock = new ManualClock();
    const line = createLine({ idle: { clock, idleMs: 1000 } }, clock);
    line.left.resume();
    line.right.resume();
    for (let round = 0; round < 5; round++) {
      (round % 2 === 0 ? line.left : line.right).write('tick');
      await clock.advance(900);
      assert.equal(line.results.length, 0);
    }
    const endings = Promise.all([endingOf(line.left), endingOf(line.right)]);
    await clock.advance(101);
    const { error } = await line.result;
    assert.ok(error instanceof TunnelError && error.code === 'timed-out');
    for (const ending of await endings) assert.equal(ending.kind, 'error');
    assert.equal(clock.pendingTimers, 0);
  });
});

test('splice: real sockets, 32 MB both ways at once', () =>
  withoutLeaks(async () => {
    const { network } = createEnv({ log: () => {} });
    const here = { host: '127.0.0.1', port: 0 };
    const echoer = await network.listen(here, (conn) => conn.pipe(conn));
    const results: SpliceResult[] = [];
    const door = await network.listen(here, async (conn) => {
      splice(conn, await network.dial(echoer.address), { onDone: (result) => results.push(result) });
    });
    const conn = await network.dial(door.address);
    const chunk = new SeededRandom(4).bytes(64 * 1024);
    const [sent, got] = await Promise.all([writeRepeatedly(conn, chunk, 512), hashAll(conn)]);
    assert.equal(got, sent);
    await Promise.all([door.close(), echoer.close()]);
    await turnsUntil(() => results.length > 0);
    assert.deepEqual(results, [{ bytesAToB: 512 * chunk.length, bytesBToA: 512 * chunk.length }]);
  }));

test('splice: real sockets, a reset goes through', () =>
  withoutLeaks(async () => {
    const { network } = createEnv({ log: () => {} });
    const here = { host: '127.0.0.1', port: 0 };
    const far = await network.listen(here, (conn) => conn.once('data', () => conn.resetAndDestroy?.()));
    const door = await network.listen(here, async (conn) => splice(conn, await network.dial(far.address)));
    const conn = await network.dial(door.address);
    conn.write('reset me');
    assert.equal((await endingOf(conn)).kind, 'error');
    await Promise.all([door.close(), far.close()]);
  }));
