import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const RUN = fileURLToPath(new URL('../bin/run.mjs', import.meta.url));
const WITHIN_MS = 240_000;

/** Runs a command of this folder; returns its exit code and the object in its last line. */
function run(name, ...args) {
  const env = { ...process.env, NODE_TEST_CONTEXT: undefined };
  return new Promise((resolve) => {
    execFile(process.execPath, [RUN, `bench/${name}.mjs`, ...args], { env, timeout: WITHIN_MS }, (error, out, err) => {
      const last = out.trimEnd().split('\n').at(-1) ?? '';
      if (!last.startsWith('{')) throw new Error(`${name} printed no JSON: ${out}${err}`, { cause: error });
      resolve({ code: error?.code ?? 0, figures: JSON.parse(last) });
    });
  });
}

const skip = process.platform !== 'linux' && 'it reads /proc';

/** Memory in so few sessions, or so short a time, and goodput on a busy machine, say nothing: the commands' own bounds are off. */
describe('the commands that measure scale', { timeout: WITHIN_MS, skip }, () => {
  it('hold idle sessions, all of which answer', async () => {
    const { code, figures } = await run('idle', '--sessions', '200', '--hold', '1', '--most', '10000', '--no-control');
    assert.deepEqual([code, figures.faults, figures.answers], [0, [], { done: 200 }]);
    assert.ok(figures.relay.eachBytes > 0 && figures.client.eachBytes > 0);
  });

  it('say when a session costs too much', async () => {
    const { code, figures } = await run('idle', '--sessions', '100', '--hold', '1', '--most', '0.1', '--no-control');
    assert.equal(code, 1);
    assert.equal(figures.faults.length, 2);
  });

  it('soak client and relay', async () => {
    const { code, figures } = await run('soak', '--minutes', '0.3', '--seed', '7', '--carriers', '2', '--growth', '10');
    assert.deepEqual([code, figures.faults], [0, []]);
    for (const bytes of Object.values(figures.moved)) assert.ok(bytes > 0, JSON.stringify(figures.moved));
  });

  it('compare one carrier with two', async () => {
    const options = ['--case', 'throttle', '--carriers', '1,2', '--directions', 'down', '--seconds', '4'];
    const { figures } = await run('bonding', ...options, '--throttle', '2000');
    assert.equal(figures.error, undefined);
    assert.deepEqual(
      figures.rows.map(({ name, carriers }) => [name, carriers]),
      [
        ['1 carriers', 1],
        ['2 carriers', 2],
        ['plain connection', 0],
      ],
    );
    assert.ok(figures.rows[1].ratio > 1.2, `${figures.rows[1].ratio}`);
  });
});
