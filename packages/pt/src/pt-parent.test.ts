// One parent, written from the specification, drives obfs4proxy and `rozan pt` in the same way.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { methodName, offeredTransports } from './methods.ts';
import { connectThrough, type RunningPt, startEcho, startPt } from './testing/pt-parent.ts';

const OBFS4PROXY = '/usr/bin/obfs4proxy';
const ROZAN_PT = [process.execPath, resolve(import.meta.dirname, '../../../bin/rozan.mjs'), 'pt'];
const BULK_BYTES = 4 * 1024 * 1024;

interface Case {
  readonly method: string;
  readonly command: readonly string[];
  readonly skip?: string | false;
}

const CASES: readonly Case[] = [
  { method: 'obfs4', command: [OBFS4PROXY], skip: existsSync(OBFS4PROXY) ? false : 'not on this machine: obfs4proxy' },
  ...offeredTransports().map((transport) => ({ method: methodName(transport), command: ROZAN_PT })),
];

function startServer({ command, method }: Case, orPort: string): Promise<RunningPt> {
  return startPt(command, {
    TOR_PT_SERVER_TRANSPORTS: `${method},no_such_method`,
    TOR_PT_SERVER_BINDADDR: `${method}-127.0.0.1:0`,
    TOR_PT_ORPORT: orPort,
  });
}

function startClient({ command, method }: Case): Promise<RunningPt> {
  return startPt(command, { TOR_PT_CLIENT_TRANSPORTS: `${method},no_such_method` });
}

async function expectEcho(socket: Socket, bytes: Buffer): Promise<void> {
  const got: Buffer[] = [];
  let length = 0;
  socket.on('data', (chunk: Buffer) => {
    got.push(chunk);
    length += chunk.length;
    if (length >= bytes.length) socket.emit('enough');
  });
  socket.write(bytes);
  await once(socket, 'enough', { signal: AbortSignal.timeout(60_000) });
  assert.ok(Buffer.concat(got).equals(bytes));
  socket.removeAllListeners('data');
}

for (const each of CASES) {
  const { method } = each;
  describe(`a parent with ${method}`, { skip: each.skip ?? false }, () => {
    it('has both sides report, and bytes go through, with several connections at once', async () => {
      await using echo = await startEcho();
      await using server = await startServer(each, echo.text);
      await using client = await startClient(each);
      const [protocol, socksAddress = ''] = client.words(method);
      assert.equal(protocol, 'socks5');
      const [bridge = '', args = ''] = server.words(method);
      const sockets = await Promise.all([1, 2, 3].map(() => connectThrough(socksAddress, bridge, args)));
      await Promise.all(sockets.map((socket, index) => expectEcho(socket, Buffer.alloc(BULK_BYTES, `${index}-`))));
      for (const socket of sockets) socket.destroy();
    });

    it('hears of methods that there are not, and of arguments that are none', async () => {
      await using client = await startClient(each);
      assert.ok(!client.lines.some((line) => line.startsWith('CMETHOD no_such_method')));
      const [, socksAddress = ''] = client.words(method);
      await assert.rejects(connectThrough(socksAddress, '127.0.0.1:9', 'ARGS:cert=AAAA'), /it (refuses|answers|hung)/);
    });
  });
}

describe('rozan pt', () => {
  const [transport] = offeredTransports();
  assert.ok(transport);
  const each: Case = { method: methodName(transport), command: ROZAN_PT };

  it('ends when its parent closes its standard input, and by SIGTERM', async () => {
    const first = await startClient(each);
    await first[Symbol.asyncDispose]();
    const second = await startClient(each);
    process.kill(second.pid, 'SIGTERM');
    await second[Symbol.asyncDispose]();
  });

  it('says what is wrong with its environment', async () => {
    const bad = (variables: Record<string, string>) => startPt(ROZAN_PT, variables);
    await assert.rejects(bad({ TOR_PT_MANAGED_TRANSPORT_VER: '2' }), /VERSION-ERROR no-version/);
    await assert.rejects(bad({}), /ENV-ERROR one of/);
    await assert.rejects(bad({ TOR_PT_SERVER_TRANSPORTS: each.method }), /ENV-ERROR TOR_PT_ORPORT is missing/);
    const proxy = { TOR_PT_CLIENT_TRANSPORTS: each.method, TOR_PT_PROXY: 'gopher://127.0.0.1:1' };
    await assert.rejects(bad(proxy), /PROXY-ERROR/);
  });
});
