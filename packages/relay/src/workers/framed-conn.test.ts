import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { type Conn, createEnv } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { FramedConn } from './framed-conn.ts';

interface Pair extends AsyncDisposable {
  readonly near: FramedConn;
  readonly far: FramedConn;
  readonly farRaw: Conn;
}

/** The two ends of a local socket, framed. */
async function createPair(): Promise<Pair> {
  await using stack = new AsyncDisposableStack();
  const { network } = createEnv({ log: () => {} });
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const arrived = Promise.withResolvers<Conn>();
  const path = process.platform === 'win32' ? `\\\\.\\pipe\\${folder.slice(-17)}` : join(folder, 'pair.sock');
  const listener = await network.listenLocal(path, arrived.resolve);
  stack.defer(() => listener.close());
  const near = new FramedConn(await network.dialLocal(path));
  const farRaw = await arrived.promise;
  const far = new FramedConn(farRaw);
  for (const conn of [near, far]) {
    conn.on('error', () => {});
    stack.defer(() => void conn.destroy());
  }
  const running = stack.move();
  return { near, far, farRaw, [Symbol.asyncDispose]: () => running.disposeAsync() };
}

/** How a connection ends for its reader. */
async function endOf(conn: Conn): Promise<'clean' | 'error'> {
  return new Promise((resolve) => {
    conn.once('end', () => resolve('clean'));
    conn.once('error', () => resolve('error'));
    conn.resume();
  });
}

test('bytes pass both ways, and one way after the other has ended', async () => {
  await using pair = await createPair();
  const bytes = Buffer.alloc(3_000_000, 'framed');
  pair.near.write(bytes);
  assert.deepEqual(await readExactly(pair.far, bytes.length), bytes);
  const ended = endOf(pair.far);
  pair.near.end();
  assert.equal(await ended, 'clean');
  pair.far.write(bytes);
  assert.deepEqual(await readExactly(pair.near, bytes.length), bytes);
  const closed = Promise.all([once(pair.near, 'close'), once(pair.far, 'close')]);
  pair.far.end();
  assert.equal(await endOf(pair.near), 'clean');
  await closed;
});

for (const [name, breakIt] of [
  ['a reset', (conn: FramedConn) => conn.resetAndDestroy()],
  ['an error', (conn: FramedConn) => conn.destroy(new Error('broken'))],
] as const) {
  test(`${name} at one end is a reset at the other`, async () => {
    await using pair = await createPair();
    const ended = endOf(pair.far);
    breakIt(pair.near);
    assert.equal(await ended, 'error');
    assert.equal(pair.far.hasPeerEnded, false);
  });
}

test('a process that dies has reset its connections', async () => {
  await using pair = await createPair();
  pair.far.write('half of it');
  assert.equal((await readExactly(pair.near, 10)).toString(), 'half of it');
  const ended = endOf(pair.near);
  pair.farRaw.destroy();
  assert.equal(await ended, 'error');
});

test('closing one end, as a program does that is done, is a clean end at the other', async () => {
  await using pair = await createPair();
  pair.near.write('all of it');
  assert.equal((await readExactly(pair.far, 9)).toString(), 'all of it');
  const closed = once(pair.far, 'close');
  const ended = endOf(pair.far);
  pair.near.destroy();
  assert.equal(await ended, 'clean');
  await closed;
  assert.equal(pair.far.hasPeerEnded, true);
});

test('it reads its pieces wherever they are cut', async () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(pieces, fc.integer({ min: 1, max: 9 }), async (parts, step) => {
      const framed = parts.map((part) => {
        const head = Buffer.alloc(4);
        head.writeUInt32BE(part.length);
        return Buffer.concat([head, part]);
      });
      const wire = Buffer.concat([...framed, Buffer.alloc(4)]);
      const raw = new Duplex({ read: () => {}, write: (_chunk, _encoding, done) => done() });
      const conn = new FramedConn(raw);
      const got: Buffer[] = [];
      conn.on('data', (chunk: Buffer) => got.push(chunk));
      const ended = once(conn, 'end');
      for (let at = 0; at < wire.length; at += step) raw.push(wire.subarray(at, at + step));
      await ended;
      assert.deepEqual(Buffer.concat(got), Buffer.concat(parts));
      conn.destroy();
    }),
  );
});
