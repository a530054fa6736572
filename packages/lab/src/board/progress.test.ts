import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barText, createProgress } from './progress.ts';

test('the bar says how much is done and, once that can be told, how long the rest takes', () => {
  assert.equal(barText(0, 0), `${'░'.repeat(24)} 0 %`);
  assert.equal(barText(0.25, 600_000), `${'█'.repeat(6)}${'░'.repeat(18)} 25 %, some 30 min left`);
  assert.match(barText(0.99, 600_000), /99 %, less than a minute left$/);
  assert.equal(barText(1, 600_000), `${'█'.repeat(24)} 100 %`);
});

test('where there is no terminal, only what stays is written', () => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text) };
  const progress = createProgress(stream);
  progress.show('half of it');
  progress.say('a cell');
  progress.end();
  assert.deepEqual(written, ['a cell\n']);
});
