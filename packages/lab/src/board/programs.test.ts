import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Programs } from './programs.ts';

test('a program is heard, and ends with what it has started', async () => {
  await using programs = new Programs();
  const program = programs.start('sh', ['-c', 'sleep 1000 & echo told; wait']);
  await program.said(/told/);
  await program.stop();
  // Its outputs have closed, which what it has started had open, too.
  assert.equal(await program.ended, null);
});

test('waiting for what a program says ends with the program, or by the signal', async () => {
  await using programs = new Programs();
  await assert.rejects(programs.start('sh', ['-c', 'echo last words']).said(/never/), /it ended: last words/);
  const program = programs.start('sleep', ['1000']);
  await assert.rejects(program.said(/never/, AbortSignal.timeout(20)), /TimeoutError|timeout/i);
  await assert.rejects(programs.run('sh', ['-c', 'echo why; exit 3']), /sh ended with 3: why/);
});

test('nothing is started after the end', async () => {
  const programs = new Programs();
  await programs[Symbol.asyncDispose]();
  assert.throws(() => programs.start('true', []), /have been ended/);
});
