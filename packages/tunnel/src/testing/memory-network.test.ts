import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { TunnelError } from '../errors.ts';
import type { Conn } from '../network.ts';
import { turnsUntil } from './leak-check.ts';
import { ManualClock } from './manual-clock.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from './memory-network.ts';
import { endingOf, readAll, readExactly } from './stream-helpers.ts';

const ADDRESS = { host: '203.0.113.1', port: 443 };
const OTHER = { host: '203.0.113.2', port: 443 };

interface Stage {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly accepted: Conn[];
}

async function createStage(options: Omit<MemoryNetworkOptions, 'clock'> = {}): Promise<Stage> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ ...options, clock });
  const accepted: Conn[] = [];
  await network.listen(ADDRESS, (conn) => accepted.push(conn));
  return { clock, network, accepted };
}

function only<T>(items: readonly T[]): T {
  const [item] = items;
  assert.ok(item !== undefined && items.length === 1);
  return item;
}

const isRefused = (error: unknown) => error instanceof TunnelError && error.code === 'refused';

describe('memory network: places', () => {
  test('gives out ports, and refuses a place that is taken', async () => {
    const { network } = await createStage();
    const first = await network.listen({ host: '127.0.0.1', port: 0 }, () => {});
    const second = await network.listen({ host: '127.0.0.1', port: 0 }, () => {});
    assert.notEqual(first.address.port, second.address.port);
    await assert.rejects(
      network.listen(first.address, () => {}),
      TunnelError,
    );
    await first.close();
    await network.listen(first.address, () => {});
  });

  test('refuses where nobody listens, and listens on all addresses', async () => {
    const { network } = await createStage();
    await assert.rejects(network.dial(OTHER), isRefused);
    await network.listen({ host: '0.0.0.0', port: 443 }, (conn) => conn.end('all'));
    assert.equal(String(await readAll(await network.dial(OTHER))), 'all');
  });

  test('tells each end where the other is', async () => {
    const { network, accepted } = await createStage();
    const client = await network.from('198.51.100.5').dial(ADDRESS);
    assert.equal(client.remoteAddress, '203.0.113.1');
    assert.equal(only(accepted).remoteAddress, '198.51.100.5');
  });

  test('local sockets', async () => {
    const { network } = await createStage();
    await assert.rejects(network.dialLocal('/run/x'), isRefused);
    const listener = await network.listenLocal('/run/x', (conn) => conn.end('local'));
    assert.equal(String(await readAll(await network.dialLocal('/run/x'))), 'local');
    await listener.close();
    await assert.rejects(network.dialLocal('/run/x'), isRefused);
  });
});

describe('memory network: delivery', () => {
  test('is never inside the call that sends', async () => {
    const { network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    let got = '';
    only(accepted).on('data', (chunk: Buffer) => {
      got += String(chunk);
    });
    await turnsUntil(() => false, 3);
    client.write('now');
    assert.equal(got, '');
    await Promise.resolve();
    assert.equal(got, '');
    await turnsUntil(() => got !== '', 10);
    assert.equal(got, 'now');
  });

  test('copies, so that a writer may use its buffer again', async () => {
    const { network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    const buffer = Buffer.from('before');
    await new Promise((resolve) => client.write(buffer, resolve));
    buffer.write('after!');
    assert.equal(String(await readExactly(only(accepted), 6)), 'before');
  });

  test('takes its time', async () => {
    const { clock, network, accepted } = await createStage({ latencyMs: 40 });
    const arrivals: string[] = [];
    const dialling = network.dial(ADDRESS);
    const client = await clock.runUntil(dialling, 1000);
    assert.equal(clock.monotonicMs(), 80);
    only(accepted).on('data', (chunk: Buffer) => arrivals.push(`${chunk}@${clock.monotonicMs()}`));
    client.write('a');
    await clock.advance(10);
    client.end('b');
    only(accepted).on('end', () => arrivals.push(`end@${clock.monotonicMs()}`));
    await clock.advance(100);
    assert.deepEqual(arrivals, ['a@120', 'b@130', 'end@130']);
  });

  test('in pieces of a given size', async () => {
    const { network, accepted } = await createStage({ maxChunkBytes: 1 });
    const client = await network.dial(ADDRESS);
    const sizes: number[] = [];
    only(accepted).on('data', (chunk: Buffer) => sizes.push(chunk.length));
    client.end('abc');
    await once(only(accepted), 'end');
    assert.deepEqual(sizes, [1, 1, 1]);
    assert.equal(network.bytesDelivered, 3);
  });

  test('an endless writer does not hold up time', async () => {
    const { clock, network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    only(accepted).resume();
    const fill = () => {
      while (client.write(Buffer.alloc(16 * 1024))) {}
    };
    client.on('drain', fill);
    fill();
    await clock.advance(10);
    assert.ok(network.bytesDelivered > 0);
    client.destroy();
  });
});

describe('memory network: obstacles', () => {
  test('refuse', async () => {
    const { network } = await createStage();
    network.refuse(ADDRESS);
    await assert.rejects(network.dial(ADDRESS), isRefused);
    network.restore(ADDRESS);
    await network.dial(ADDRESS);
  });

  test('blackhole: connects, and nothing passes until it is taken away', async () => {
    const { clock, network, accepted } = await createStage();
    const early = await network.dial(ADDRESS);
    network.blackhole(ADDRESS);
    const late = await network.dial(ADDRESS);
    early.write('early');
    late.write('late');
    let got = '';
    for (const conn of accepted) {
      conn.on('data', (chunk: Buffer) => {
        got += `${chunk};`;
      });
    }
    await clock.advance(1000);
    assert.equal(got, '');
    network.restore(ADDRESS);
    await clock.settle();
    assert.equal(got, 'early;late;');
  });

  test('blackhole: a reset does not pass either', async () => {
    const { clock, network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    const server = only(accepted);
    network.blackhole(ADDRESS);
    client.resetAndDestroy?.();
    await clock.settle();
    assert.equal(server.destroyed, false);
    network.restore(ADDRESS);
    await clock.settle();
    assert.equal(server.destroyed, true);
  });

  test('ignore: no answer until the dialler gives up', async () => {
    const { clock, network } = await createStage();
    network.ignore(ADDRESS);
    const controller = new AbortController();
    let isSettled = false;
    const dialling = network.dial(ADDRESS, { signal: controller.signal }).finally(() => {
      isSettled = true;
    });
    dialling.catch(() => {});
    await clock.advance(100_000);
    assert.equal(isSettled, false);
    controller.abort();
    await assert.rejects(dialling, { name: 'AbortError' });
    assert.equal(network.connections.length, 0);
  });

  test('abort between the two ways of connecting closes what was accepted', async () => {
    const { clock, network, accepted } = await createStage({ latencyMs: 40 });
    const controller = new AbortController();
    const dialling = network.dial(ADDRESS, { signal: controller.signal });
    dialling.catch(() => {});
    await clock.advance(50);
    controller.abort();
    await assert.rejects(dialling, { name: 'AbortError' });
    const ending = endingOf(only(accepted));
    await clock.advance(50);
    assert.equal((await ending).kind, 'end');
    only(accepted).destroy();
    await clock.settle();
    assert.equal(network.connections.length, 0);
    assert.equal(clock.pendingTimers, 0);
  });
});

describe('memory network: cuts', () => {
  test('rst: both ends see an error, also half-closed ones', async () => {
    const { network, accepted } = await createStage();
    const whole = await network.dial(ADDRESS);
    const half = await network.dial(ADDRESS);
    half.end();
    const halfServer = accepted[1];
    assert.ok(halfServer);
    await readAll(halfServer);
    const endings = [whole, half, accepted[0], halfServer].map((conn) => {
      assert.ok(conn);
      return endingOf(conn);
    });
    network.cutAll('rst');
    for (const ending of await Promise.all(endings)) {
      assert.equal(ending.kind, 'error');
      assert.equal(ending.error && 'code' in ending.error && ending.error.code, 'ECONNRESET');
    }
    await turnsUntil(() => network.connections.length === 0);
    assert.equal(network.connections.length, 0);
  });

  test('fin: both ends see an end, and what they write then is an error', async () => {
    const { network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    const server = only(accepted);
    network.cutAll('fin');
    network.cutAll('fin');
    assert.deepEqual(
      (await Promise.all([endingOf(client), endingOf(server)])).map((ending) => ending.kind),
      ['end', 'end'],
    );
    client.write('anybody?');
    const [error] = await once(client, 'error');
    assert.equal(error.code, 'ECONNRESET');
  });

  test('stall: nothing passes any more, new connections work', async () => {
    const { clock, network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    network.cutAll('stall');
    client.end('lost');
    await clock.advance(1000);
    assert.equal(only(accepted).readableLength, 0);
    const fresh = await network.dial(ADDRESS);
    fresh.write('fresh');
    const server = accepted[1];
    assert.ok(server);
    assert.equal(String(await readExactly(server, 5)), 'fresh');
  });

  test('one connection alone', async () => {
    const { network, accepted } = await createStage();
    const [first, second] = [await network.dial(ADDRESS), await network.dial(ADDRESS)];
    const ending = endingOf(first);
    network.connections[0]?.cut('rst');
    assert.equal((await ending).kind, 'error');
    second.write('here');
    const server = accepted[1];
    assert.ok(server);
    assert.equal(String(await readExactly(server, 4)), 'here');
  });
});

describe('memory network: closing', () => {
  test('closing without unread bytes is an end; the other can then not write', async () => {
    const { network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    client.write('last words');
    client.destroy();
    const server = only(accepted);
    assert.equal(String(await readAll(server)), 'last words');
    server.write('hello?');
    const [error] = await once(server, 'error');
    assert.equal(error.code, 'ECONNRESET');
  });

  test('closing with unread bytes is a reset', async () => {
    const { clock, network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    const server = only(accepted);
    server.write('unread');
    await clock.settle();
    const ending = endingOf(server);
    client.destroy();
    assert.equal((await ending).kind, 'error');
  });

  test('a writer that waits is told when the reader goes away', async () => {
    const { clock, network, accepted } = await createStage({ windowBytes: 1000 });
    const client = await network.dial(ADDRESS);
    const failure = once(client, 'error');
    client.write(Buffer.alloc(100_000));
    await clock.settle();
    only(accepted).destroy();
    const [error] = await failure;
    assert.equal(error.code, 'ECONNRESET');
  });

  test('the list of connections and the count of bytes', async () => {
    const { network, accepted } = await createStage();
    const client = await network.dial(ADDRESS);
    assert.equal(only(network.connections).address, '203.0.113.1:443');
    client.end('12345');
    await readAll(only(accepted));
    only(accepted).end('123');
    await readAll(client);
    await turnsUntil(() => network.connections.length === 0);
    assert.equal(network.connections.length, 0);
    assert.equal(network.bytesDelivered, 8);
    assert.equal(network.listenerCount, 1);
  });
});
