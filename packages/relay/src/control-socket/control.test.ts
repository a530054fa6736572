import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createNetwork, type Network } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, readAll, SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { LOCAL_BOUNDS } from '../limits/constants.ts';
import { callControl } from './control-client.ts';
import { type ControlServerOptions, serveControl } from './control-server.ts';

interface SetUpOptions extends Partial<ControlServerOptions> {
  readonly network?: Network;
}

async function setUp(context: TestContext, { network: given, ...options }: SetUpOptions = {}) {
  const clock = new ManualClock();
  const network = given ?? new MemoryNetwork({ clock });
  const folder = options.folder ?? (await temporaryFolder(context));
  const events: string[] = [];
  const env = {
    network,
    clock,
    random: new SeededRandom(1),
    log: ({ event }: { event: string }) => void events.push(event),
  };
  let isDraining = false;
  const commands = {
    drain: () => {
      isDraining = true;
      return { draining: true };
    },
    status: async () => ({ draining: isDraining, sessions: 3 }),
    fail: () => {
      throw new Error('secret');
    },
  };
  const server = await serveControl(env, { commands, ...options, folder });
  context.after(() => server.close());
  const call = (command: string) => callControl(env, { folder, command });
  return { clock, env, events, folder, server, call };
}

test('commands are done and answered', async (context) => {
  const { call } = await setUp(context);
  assert.deepEqual(await call('status'), { draining: false, sessions: 3 });
  assert.deepEqual(await call('drain'), { draining: true });
  assert.deepEqual(await call('status'), { draining: true, sessions: 3 });
});

test('on the real network it is a private socket in the folder, gone after', async (context) => {
  const { call, folder, server } = await setUp(context, { network: createNetwork() });
  assert.equal((await stat(server.path)).mode & 0o777, 0o600);
  assert.deepEqual(await call('status'), { draining: false, sessions: 3 });
  await server.close();
  await server.close();
  await assert.rejects(call('status'), { code: 'not-running' });
  assert.deepEqual(await readdir(folder), []);
});

test('a folder with a long path works all the same', async (context) => {
  const folder = join(await temporaryFolder(context), 'x'.repeat(100), 'y'.repeat(100));
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { call, server } = await setUp(context, { network: createNetwork(), folder });
  assert.deepEqual(await call('drain'), { draining: true });
  await server.close();
  await assert.rejects(stat(server.path), { code: 'ENOENT' });
});

test('an unknown command, also one that every object has, is refused', async (context) => {
  const { call } = await setUp(context);
  for (const command of ['reboot', 'constructor', 'to-string']) {
    await assert.rejects(call(command), { code: 'control-failed', message: /unknown command/ });
  }
});

test('a command that fails says so, without its reasons', async (context) => {
  const { call, events } = await setUp(context);
  await assert.rejects(call('fail'), (error: Error) => {
    assert.doesNotMatch(error.message, /secret/);
    return true;
  });
  assert.deepEqual(events, ['control.failed']);
});

test('several requests on one connection are answered in order, and an end by an end', async (context) => {
  const { env, server } = await setUp(context);
  const conn = await env.network.dialLocal(server.path);
  conn.end('{"command":"status"}\nnonsense\n{"command":"drain"}\n{"command":"sta');
  const lines = (await readAll(conn)).toString().trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).ok),
    [true, false, true],
  );
});

test('a line without end is cut off, and so is a connection that says nothing', async (context) => {
  const { clock, env, server } = await setUp(context);
  const talker = await env.network.dialLocal(server.path);
  talker.resume();
  talker.write('x'.repeat(LOCAL_BOUNDS.controlLineBytes + 1));
  await once(talker, 'end');
  const silent = await env.network.dialLocal(server.path);
  silent.resume();
  const ended = once(silent, 'end');
  await clock.advance(LOCAL_BOUNDS.controlIdleMs);
  await ended;
  assert.equal(clock.pendingTimers, 0);
});

test('connections at one time are bounded', async (context) => {
  const { call, env, server } = await setUp(context);
  for (let count = 0; count < LOCAL_BOUNDS.controlConns; count += 1) await env.network.dialLocal(server.path);
  await assert.rejects(call('status'), { code: 'control-failed' });
});

test('a relay that does not answer is not waited for for ever', async (context) => {
  const asked = Promise.withResolvers<void>();
  const status = () => {
    asked.resolve();
    return new Promise<never>(() => undefined);
  };
  const { clock, call } = await setUp(context, { commands: { status } });
  const called = call('status');
  called.catch(() => undefined);
  await asked.promise;
  await assert.rejects(clock.runUntil(called, LOCAL_BOUNDS.controlIdleMs), { code: 'control-failed' });
});

test('without a relay that is said, with a remedy', async (context) => {
  const clock = new ManualClock();
  const env = { network: createNetwork(), clock };
  const folder = await temporaryFolder(context);
  await assert.rejects(
    callControl(env, { folder, command: 'status' }),
    (error: Error & { code?: string; remedy?: string }) => {
      assert.equal(error.code, 'not-running');
      assert.ok(error.remedy);
      return true;
    },
  );
});
