import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { test } from 'node:test';

function rozan(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const program = resolve(import.meta.dirname, '..', 'bin', 'rozan.mjs');
  return spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });
}

test('help and no command at all list the commands', () => {
  for (const args of [[], ['help'], ['--help']]) {
    const { status, stdout, stderr } = rozan(...args);
    assert.equal(status, 0);
    for (const command of ['demo', 'relay', 'client']) assert.match(stdout, new RegExp(`^ +${command} `, 'm'));
    assert.equal(stderr, '');
  }
});

test('--version names the version', () => {
  assert.match(rozan('--version').stdout, /^rozan \d+\.\d+\.\d+\n$/);
});

test('an unknown command is wrong usage, and says which commands there are', () => {
  for (const name of ['rely', 'constructor']) {
    const { status, stdout, stderr } = rozan(name);
    assert.equal(status, 2);
    assert.equal(stdout, '');
    assert.match(stderr, /demo, relay, client/);
  }
});
