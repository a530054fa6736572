import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TunnelError } from './errors.ts';
import { createNetwork, type DatagramSocket, type Network, type SocketAddress } from './network.ts';
import { ManualClock } from './testing/manual-clock.ts';
import { MemoryNetwork } from './testing/memory-network.ts';

/** A socket with what has come to it. */
async function open(network: Network, host: string) {
  const waiting: ((came: { bytes: Buffer; from: SocketAddress }) => void)[] = [];
  const socket = await network.bindDatagrams({ host, port: 0 }, (bytes, from) => waiting.shift()?.({ bytes, from }));
  const next = () => new Promise<{ bytes: Buffer; from: SocketAddress }>((resolve) => waiting.push(resolve));
  return { socket, next };
}

async function exchange(from: DatagramSocket, to: Awaited<ReturnType<typeof open>>, bytes: Buffer) {
  const came = to.next();
  assert.equal(from.send(bytes, to.socket.address), true);
  const { bytes: received, from: source } = await came;
  assert.deepEqual(received, bytes);
  assert.deepEqual(source, from.address);
}

const NETWORKS: readonly (readonly [string, () => Network])[] = [
  ['UDP', createNetwork],
  ['UDP in memory', () => new MemoryNetwork({ clock: new ManualClock() })],
];

for (const [name, createIt] of NETWORKS) {
  describe(`network: ${name}`, () => {
    for (const host of ['127.0.0.1', '::1']) {
      test(`carries datagrams of all sizes over ${host}`, async () => {
        const network = createIt();
        const [a, b] = [await open(network, host), await open(network, host)];
        for (const size of [0, 1, 1200, 65_000]) await exchange(a.socket, b, Buffer.alloc(size, size % 251));
        await exchange(b.socket, a, Buffer.from('and back'));
        a.socket.close();
        b.socket.close();
      });
    }

    test('a port that is taken', async () => {
      const network = createIt();
      const { socket } = await open(network, '127.0.0.1');
      await assert.rejects(
        network.bindDatagrams(socket.address, () => {}),
        (error) => error instanceof TunnelError && error.code === 'failed' && !error.message.includes('127.'),
      );
      socket.close();
      (await network.bindDatagrams(socket.address, () => {})).close();
    });

    test('drops without a word what cannot go', async () => {
      const network = createIt();
      const { socket } = await open(network, '127.0.0.1');
      assert.equal(socket.send(Buffer.from('x'), { host: '::1', port: 9 }), false);
      assert.equal(socket.send(Buffer.from('x'), { host: 'localhost', port: 9 }), false);
      const other = await open(network, '127.0.0.1');
      other.socket.close();
      socket.send(Buffer.from('to nobody'), other.socket.address);
      socket.send(Buffer.alloc(70_000), other.socket.address);
      socket.close();
      socket.close();
      assert.equal(socket.send(Buffer.from('x'), other.socket.address), false);
    });
  });
}

test('network: a name is no place to bind to', async () => {
  await assert.rejects(
    createNetwork().bindDatagrams({ host: 'localhost', port: 0 }, () => {}),
    TunnelError,
  );
});
