// Executables that behave as none should, and what becomes of them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Env, LogEvent } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { createEnv } from '../../real-env.ts';
import { readExactly } from '../../testing/stream-helpers.ts';
import { ManagedProcess } from './managed-process.ts';
import { pluggable } from './pluggable.ts';
import { createPluggablePrograms } from './programs.ts';

const OBFS4PROXY = '/usr/bin/obfs4proxy';
const LOOPBACK = { host: '127.0.0.1', port: 0 };
const REPORT = "console.log('VERSION 1\\nSMETHOD a 127.0.0.1:9 ARGS:b=c\\nSMETHODS DONE');";
const STAY = 'setInterval(() => {}, 1000);';
const END_WITH_INPUT = "process.stdin.on('end', () => process.exit()).resume();";

/** A clock on which everything that is waited for for long is over at once. */
function hastened(env: Env, pastMs: number): Env {
  const { clock } = env;
  return {
    ...env,
    clock: { ...clock, setTimer: (delayMs, callback) => clock.setTimer(delayMs > pastMs ? 0 : delayMs, callback) },
  };
}

describe('an executable', () => {
  const env = createEnv({ log: () => {} });
  let stateFolder: string;
  before(async () => {
    stateFolder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  });
  after(() => rm(stateFolder, { recursive: true, force: true }));

  const start = (script: string, on: Env = env) =>
    ManagedProcess.start(on, {
      command: [process.execPath, '-e', script],
      method: 'a',
      stateFolder,
      variables: { TOR_PT_SERVER_TRANSPORTS: 'a' },
    });

  it('is started, and ended by its standard input', async () => {
    const running = await start(REPORT + END_WITH_INPUT);
    assert.deepEqual(running.method, { address: { host: '127.0.0.1', port: 9 }, protocol: '', args: { b: 'c' } });
    await running.stop();
  });

  it('that takes no notice is ended all the same', async () => {
    const running = await start(`process.on('SIGTERM', () => {});${REPORT}${STAY}`);
    await running.stop();
  });

  it('that writes megabytes once it is ready does not have to wait', async () => {
    const running = await start(`${REPORT}process.stdout.write('x'.repeat(8e6), () => process.exit());`);
    await running.ended;
  });

  const failures: readonly (readonly [title: string, script: string, code: string, pastMs?: number])[] = [
    ['that dies', 'process.exit(1)', 'failed'],
    ['that says nothing', STAY, 'timed-out', 5000],
    ['that prints garbage', `console.log('\\0\\xff'.repeat(9000));${STAY}`, 'violation'],
    ['that prints megabytes of lines', `for (let i = 0; i < 1e5; i++) console.log('LOG x');${STAY}`, 'violation'],
    ['that ends in the middle of a line', "process.stdout.write('VERSION 1\\nSMETHOD a 127');", 'failed'],
    ['of another version', `console.log('VERSION 2');${STAY}`, 'failed'],
    ['that cannot', `console.log('VERSION 1\\nSMETHOD-ERROR a no');${STAY}`, 'failed'],
    ['without the method', `console.log('VERSION 1\\nSMETHODS DONE');${STAY}`, 'failed'],
    ['without a version', `console.log('SMETHOD a 127.0.0.1:9\\nSMETHODS DONE');${STAY}`, 'violation'],
    ['with an address that is none', `console.log('VERSION 1\\nSMETHOD a here');${STAY}`, 'violation'],
  ];
  for (const [title, script, code, pastMs] of failures) {
    it(`${title} is an error, and does not run any more`, async () => {
      const on = pastMs === undefined ? env : hastened(env, pastMs);
      await assert.rejects(start(script, on), { code });
    });
  }

  it('that is not there is an error', async () => {
    const options = { command: ['/nonexistent/executable'], method: 'a', stateFolder, variables: {} };
    await assert.rejects(ManagedProcess.start(env, options), { code: 'failed' });
  });
});

describe('a client', () => {
  it('without an executable for a method says what to do, in an event too', async () => {
    const events: LogEvent[] = [];
    const env = createEnv({ log: (event) => events.push(event) });
    await using programs = createPluggablePrograms(env, {});
    const dialling = programs.dial({ method: 'unheard_of', args: {}, address: LOOPBACK });
    await assert.rejects(dialling, /install one, or name it with --pt unheard_of=EXECUTABLE/);
    assert.deepEqual(events, [{ event: 'program.missing', method: 'unheard_of' }]);
  });

  it('does not start one that fails again and again', async () => {
    const events: LogEvent[] = [];
    const env = createEnv({ log: (event) => events.push(event) });
    await using programs = createPluggablePrograms(env, { commands: new Map([['a', '/bin/false']]) });
    const dial = () => programs.dial({ method: 'a', args: {}, address: LOOPBACK });
    await assert.rejects(dial(), { code: 'failed' });
    await assert.rejects(dial(), /has just failed/);
    assert.deepEqual(
      events.map(({ event }) => event),
      ['program.failed'],
    );
  });
});

describe('a listener', { skip: existsSync(OBFS4PROXY) ? false : 'not on this machine: obfs4proxy' }, () => {
  const silent = createEnv({ log: () => {} });
  const createSettings = () => pluggable.createSettings(silent.random, { exec: OBFS4PROXY, method: 'obfs4' });

  it('shares one executable with others of the same settings, and gives it on', async () => {
    const settings = await createSettings();
    await using programs = createPluggablePrograms(silent, {});
    const env: Env = { ...silent, programs };
    const onConn = (conn: Conn) => void conn.on('error', () => {}).pipe(conn);
    const echo = { address: LOOPBACK, settings, onConn };
    const first = await pluggable.listen(env, echo);
    const second = await pluggable.listen(env, { ...echo, address: first.address });
    assert.deepEqual(second.address, first.address);
    await first.close();
    const params = pluggable.paramsOf(settings);
    const conn = await dialUntilThere(() => pluggable.dial(env, { address: second.address, params }));
    conn.write('still there');
    assert.equal(String(await readExactly(conn, 11)), 'still there');
    conn.destroy();
    await second.close();
  });

  it('does not run one that tells clients something else than it did', async () => {
    const settings = { ...(await createSettings()), state: {} };
    const listening = pluggable.listen(silent, { address: LOOPBACK, settings, onConn: (conn) => conn.destroy() });
    await assert.rejects(listening, /something else/);
  });
});

/** Whoever takes over needs a moment for it. */
async function dialUntilThere<T>(dial: () => Promise<T>): Promise<T> {
  const patience = AbortSignal.timeout(20_000);
  for (;;) {
    try {
      return await dial();
    } catch (error) {
      if (patience.aborted) throw error;
    }
  }
}
