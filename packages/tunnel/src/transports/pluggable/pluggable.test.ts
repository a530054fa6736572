import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import type { Env, Programs } from '../../env.ts';
import type { SocketAddress } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { type TransportFixture, transportSuite } from '../../testing/transport-suite.ts';
import type { SmallProxyOptions } from '../../upstream/testing/small-proxy.ts';
import { pluggable } from './pluggable.ts';
import { createPluggablePrograms } from './programs.ts';

const MEBIBYTE = 1024 * 1024;
const OBFS4PROXY = '/usr/bin/obfs4proxy';
const CREDENTIALS = { user: 'ada', password: 'secret' };

const bare = createEnv({ log: () => {} });

function fixture(programs: Programs): TransportFixture {
  const env: Env = { ...bare, programs };
  return {
    transport: pluggable,
    env,
    options: { exec: OBFS4PROXY, method: 'obfs4' },
    bulkBytes: 32 * MEBIBYTE,
    maxBufferedBytes: 96 * MEBIBYTE,
    passesGarbage: false,
    refusedCode: 'failed',
  };
}

/** Client executables that leave this machine by a proxy, if one is said. */
function testOver(name: string, proxyOptions: SmallProxyOptions | null): void {
  describe(name, () => {
    const stack = new AsyncDisposableStack();
    let programs: Programs;
    before(async () => {
      const proxy = proxyOptions === null ? undefined : { ...proxyOptions, ...(await startProxy(stack, proxyOptions)) };
      programs = stack.use(createPluggablePrograms(bare, { proxy }));
    });
    after(() => stack.disposeAsync());
    transportSuite(name, () => fixture(programs));
  });
}

async function startProxy(stack: AsyncDisposableStack, options: SmallProxyOptions): Promise<SocketAddress> {
  const worker = new Worker(new URL('./testing/proxy-worker.ts', import.meta.url), { workerData: options });
  stack.defer(async () => void (await worker.terminate()));
  const [address]: SocketAddress[] = await once(worker, 'message');
  if (address === undefined) throw new Error('the proxy says nothing');
  return address;
}

if (existsSync(OBFS4PROXY)) {
  testOver('pluggable over obfs4proxy on real sockets', null);
  testOver('pluggable over obfs4proxy through a SOCKS5 proxy', { kind: 'socks5', credentials: CREDENTIALS });
  testOver('pluggable over obfs4proxy through an HTTP proxy', { kind: 'http', credentials: CREDENTIALS });
} else {
  it('pluggable over obfs4proxy', { skip: 'not on this machine: obfs4proxy' }, () => {});
}
