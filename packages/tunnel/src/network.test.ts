import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { link, mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { inspect } from 'node:util';
import { TunnelError } from './errors.ts';
import { type Conn, ipVersion, toTunnelError } from './network.ts';
import { createEnv } from './real-env.ts';
import { turnsUntil, withoutLeaks } from './testing/leak-check.ts';
import { endingOf, readAll } from './testing/stream-helpers.ts';

const HERE = { host: '127.0.0.1', port: 0 };

const { network } = createEnv({ log: () => {} });

function failsWith(code: string, part = ''): (error: unknown) => boolean {
  return (error) => error instanceof TunnelError && error.code === code && error.message.includes(part);
}

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-network-'));
  t.after(() => rm(folder, { recursive: true }));
  return folder;
}

describe('network: errors', () => {
  test('a name is not an address', async () => {
    await assert.rejects(network.dial({ host: 'localhost', port: 1 }), failsWith('failed'));
    await assert.rejects(
      network.listen({ host: 'localhost', port: 0 }, () => {}),
      failsWith('failed'),
    );
  });

  test('every errno becomes a code, and no address gets through', () => {
    const cases = {
      ECONNREFUSED: 'refused',
      EHOSTUNREACH: 'unreachable',
      ETIMEDOUT: 'timed-out',
      ECONNRESET: 'failed',
    };
    for (const [errno, code] of Object.entries(cases)) {
      const raw = Object.assign(new Error(`connect ${errno} 203.0.113.9:443`), {
        code: errno,
        address: '203.0.113.9',
        port: 443,
      });
      const error = toTunnelError(raw);
      assert.equal(error.code, code);
      assert.doesNotMatch(inspect(error, { showHidden: true, depth: 9 }), /203\.0\.113\.9/);
    }
    assert.equal(toTunnelError('odd').code, 'failed');
    const own = new TunnelError('timed-out', 'x');
    assert.equal(toTunnelError(own), own);
  });

  test('a port that is taken', () =>
    withoutLeaks(async () => {
      const listener = await network.listen(HERE, () => {});
      await assert.rejects(
        network.listen(listener.address, () => {}),
        failsWith('failed', 'EADDRINUSE'),
      );
      await listener.close();
    }));

  test('versions of addresses', () => {
    assert.deepEqual(['127.0.0.1', '::1', 'localhost', '', '1.2.3'].map(ipVersion), [4, 6, 0, 0, 0]);
  });
});

describe('network: TCP', () => {
  test('tells the peer address', () =>
    withoutLeaks(async () => {
      const accepted: Conn[] = [];
      const listener = await network.listen(HERE, (conn) => accepted.push(conn));
      const client = await network.dial(listener.address);
      await turnsUntil(() => accepted.length > 0);
      assert.equal(client.remoteAddress, '127.0.0.1');
      assert.equal(accepted[0]?.remoteAddress, '127.0.0.1');
      for (const conn of [client, ...accepted]) conn.destroy();
      await listener.close();
    }));

  test('a reset before the owner listens for errors does not end the process', () =>
    withoutLeaks(async () => {
      const accepted: Conn[] = [];
      const listener = await network.listen(HERE, (conn) => accepted.push(conn));
      const client = await network.dial(listener.address);
      client.resetAndDestroy?.();
      await turnsUntil(() => accepted[0]?.resume().closed === true);
      assert.equal(accepted[0]?.closed, true);
      await listener.close();
    }));

  test('a reset right after the end closes both sides', () =>
    withoutLeaks(async () => {
      const accepted: Conn[] = [];
      const listener = await network.listen(HERE, (conn) => accepted.push(conn));
      const client = await network.dial(listener.address);
      await turnsUntil(() => accepted.length > 0);
      const failures: Error[] = [];
      client.on('error', (error) => failures.push(error));
      client.end();
      client.resetAndDestroy?.();
      client.resetAndDestroy?.();
      await turnsUntil(() => client.closed);
      assert.equal(client.closed, true);
      assert.deepEqual(failures, []);
      for (const conn of accepted) conn.destroy();
      await listener.close();
    }));

  test('a reset drops what is still to be sent', () =>
    withoutLeaks(async () => {
      const accepted: Conn[] = [];
      const listener = await network.listen(HERE, (conn) => accepted.push(conn));
      const client = await network.dial(listener.address);
      await turnsUntil(() => accepted.length > 0);
      const server = accepted[0];
      assert.ok(server);
      client.write(Buffer.alloc(64 * 1024 * 1024));
      client.end();
      client.resetAndDestroy?.();
      assert.equal((await endingOf(server)).kind, 'error');
      await listener.close();
    }));
});

describe('network: local sockets', () => {
  test('echo, private to this user, and gone when closed', async (t) => {
    const path = join(await temporaryFolder(t), 'socket');
    await withoutLeaks(async () => {
      const listener = await network.listenLocal(path, (conn) => conn.pipe(conn));
      assert.equal((await stat(path)).mode & 0o777, 0o600);
      const conn = await network.dialLocal(path);
      conn.end('hello');
      assert.equal(String(await readAll(conn)), 'hello');
      await listener.close();
      await assert.rejects(stat(path));
      await assert.rejects(network.dialLocal(path), failsWith('refused'));
    });
  });

  test('resetAndDestroy closes, as there is no reset', async (t) => {
    const path = join(await temporaryFolder(t), 'socket');
    await withoutLeaks(async () => {
      const listener = await network.listenLocal(path, (conn) => conn.resetAndDestroy?.());
      const conn = await network.dialLocal(path);
      assert.equal((await endingOf(conn)).kind, 'end');
      conn.destroy();
      await listener.close();
    });
  });

  /** What a listener says to whoever connects. */
  async function greetingAt(path: string): Promise<string> {
    const conn = await network.dialLocal(path);
    const greeting = await readAll(conn);
    conn.end();
    return String(greeting);
  }

  test('a socket file that nobody answers on is replaced', async (t) => {
    const folder = await temporaryFolder(t);
    const first = await network.listenLocal(join(folder, 'first'), () => {});
    await link(join(folder, 'first'), join(folder, 'stale'));
    await first.close();
    assert.ok((await stat(join(folder, 'stale'))).isSocket());
    const second = await network.listenLocal(join(folder, 'stale'), (conn) => conn.end('alive'));
    assert.equal(await greetingAt(second.path), 'alive');
    await second.close();
  });

  test('of several that find the same left-behind file one replaces it', async (t) => {
    const folder = await temporaryFolder(t);
    for (let round = 0; round < 20; round++) {
      const path = join(folder, 'stale');
      const first = await network.listenLocal(join(folder, 'first'), () => {});
      await link(join(folder, 'first'), path);
      await first.close();
      const attempts = Array.from({ length: 8 }, async (_, turns) => {
        for (let turn = 0; turn < turns; turn++) await setImmediate();
        return await network.listenLocal(path, (conn) => conn.end('alive'));
      });
      const results = await Promise.allSettled(attempts);
      const listeners = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      assert.equal(listeners.length, 1);
      assert.equal(await greetingAt(path), 'alive');
      assert.deepEqual(await readdir(folder), ['stale']);
      await listeners[0]?.close();
    }
  });

  test("a program that was killed while it replaced such a file stands in nobody's way", async (t) => {
    const folder = await temporaryFolder(t);
    const path = join(folder, 'stale');
    const first = await network.listenLocal(join(folder, 'first'), () => {});
    await link(join(folder, 'first'), path);
    await first.close();
    await mkdir(`${path}.turn`);
    await assert.rejects(
      network.listenLocal(path, () => {}),
      failsWith('failed', 'EADDRINUSE'),
    );
    await utimes(`${path}.turn`, 0, 0);
    const second = await network.listenLocal(path, () => {});
    assert.deepEqual(await readdir(folder), ['stale']);
    await second.close();
  });

  test('a socket that somebody answers on is left alone', async (t) => {
    const path = join(await temporaryFolder(t), 'socket');
    const first = await network.listenLocal(path, (conn) => conn.end('first'));
    await assert.rejects(
      network.listenLocal(path, () => {}),
      failsWith('failed', 'EADDRINUSE'),
    );
    assert.equal(await greetingAt(path), 'first');
    await first.close();
  });

  test('a file that is no socket is left alone', async (t) => {
    const path = join(await temporaryFolder(t), 'file');
    await writeFile(path, 'precious');
    await assert.rejects(
      network.listenLocal(path, () => {}),
      failsWith('failed', 'EADDRINUSE'),
    );
    assert.equal((await stat(path)).size, 8);
  });
});

/** Listens, says its port, and echoes. */
const LISTENING_PROGRAM = `
  import { createEnv } from ${JSON.stringify(new URL('./real-env.ts', import.meta.url).href)};
  const { address } = await createEnv({ log: () => {} }).network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.pipe(conn));
  process.stdout.write(address.port + '\\n');
`;

test('network: out of file descriptors, it goes on', { skip: process.platform === 'win32' }, async (t) => {
  const child: ChildProcess = spawn(
    '/bin/sh',
    ['-c', 'ulimit -n 60; exec "$0" --input-type=module -e "$1"', process.execPath, LISTENING_PROGRAM],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  t.after(() => child.kill());
  assert.ok(child.stdout);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const address = { host: '127.0.0.1', port: Number((await lines.next()).value) };
  const crowd = await Promise.all(Array.from({ length: 100 }, () => network.dial(address)));
  // Bun leaves those waiting that Node hangs up on.
  if (process.versions.bun === undefined) await Promise.race(crowd.map((conn) => endingOf(conn)));
  for (const conn of crowd) conn.destroy();
  await Promise.all(crowd.map((conn) => conn.closed || once(conn, 'close')));
  for (let attempt = 0; ; attempt++) {
    const conn = await network.dial(address);
    conn.end('still here');
    const text = await readAll(conn).then(String, () => '');
    conn.destroy();
    if (text === 'still here') break;
    assert.ok(attempt < 1000, 'the program does not answer again');
  }
  assert.equal(child.exitCode, null);
});
