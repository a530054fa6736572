import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { test } from 'node:test';
import type { Conn } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { endingOf, readExactly, writeRepeatedly } from '../../testing/stream-helpers.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import { websocket } from './websocket.ts';

const MEBIBYTE = 1024 * 1024;

interface InMemory extends Pick<MemoryNetworkOptions, 'maxChunkBytes' | 'windowBytes'> {
  readonly bulkBytes: number;
  readonly options: Readonly<Record<string, string>>;
}

function inMemory({ bulkBytes, maxChunkBytes, windowBytes, options }: InMemory): TransportFixture {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, maxChunkBytes, windowBytes });
  return {
    transport: websocket,
    env: { network, clock, random: new SeededRandom(2), log: () => {} },
    options,
    bulkBytes,
    maxBufferedBytes: 2 * MEBIBYTE,
    passesGarbage: false,
    countOpen: () => network.connections.length + network.listenerCount,
  };
}

for (const tls of ['none', 'self']) {
  const options = { tls };
  const dress = tls === 'none' ? 'plain' : 'TLS';
  transportSuite(`websocket, ${dress}, on real sockets`, () => ({
    transport: websocket,
    env: createEnv({ log: () => {} }),
    options,
    bulkBytes: 100 * MEBIBYTE,
    maxBufferedBytes: 32 * MEBIBYTE,
    passesGarbage: false,
  }));
  transportSuite(`websocket, ${dress}, in memory`, () => inMemory({ options, bulkBytes: 10 * MEBIBYTE }));
  transportSuite(`websocket, ${dress}, in memory, in small pieces`, () =>
    inMemory({ options, bulkBytes: MEBIBYTE, maxChunkBytes: 977, windowBytes: 4000 }),
  );
}

/** Hashes what comes to a reader that only borrows, and pauses now and then. */
async function hashBorrowed(conn: Conn): Promise<string> {
  const hash = createHash('sha256');
  let count = 0;
  conn.borrowReads?.((bytes) => {
    hash.update(bytes);
    // What is lent may be overwritten by its owner at once.
    bytes.fill(0);
    count += 1;
    if (count % 7 !== 0) return true;
    conn.pause();
    setImmediate(() => conn.resume());
    return false;
  });
  conn.resume();
  await once(conn, 'end');
  return hash.digest('hex');
}

for (const tls of ['none', 'self']) {
  for (const [name, env] of [
    ['real sockets', createEnv({ log: () => {} })],
    ['memory', inMemory({ options: {}, bulkBytes: 0 }).env],
  ] as const) {
    test(`borrowed reads, tls=${tls}, ${name}`, async () => {
      const settings = await websocket.createSettings(env.random, { tls });
      const accepted = Promise.withResolvers<Conn>();
      const address = { host: '127.0.0.1', port: 0 };
      const listener = await websocket.listen(env, { address, settings, onConn: accepted.resolve });
      const client = await websocket.dial(env, { address: listener.address, params: websocket.paramsOf(settings) });
      client.write('!');
      const server = await accepted.promise;
      await readExactly(server, 1);
      server.write('?');
      await readExactly(client, 1);
      const chunk = new SeededRandom(5).bytes(50_001);
      const [up, down, sentUp, sentDown] = await Promise.all([
        hashBorrowed(server),
        hashBorrowed(client),
        writeRepeatedly(client, chunk, 100),
        writeRepeatedly(server, chunk, 100),
      ]);
      assert.equal(up, sentUp);
      assert.equal(down, sentDown);
      const endings = [client, server].map((conn) => (conn.closed ? null : endingOf(conn)));
      await Promise.all(endings);
      await listener.close();
    });
  }
}
