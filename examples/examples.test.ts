import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** What an example prints when it is run as its first lines say. */
async function outputOf(name: string): Promise<string> {
  const { stdout } = await run(process.execPath, [join(import.meta.dirname, name)]);
  return stdout;
}

test('write-a-transport.ts runs', async () => {
  assert.equal(await outputOf('write-a-transport.ts'), 'sent and came back: a byte, and another\n');
});

test('tunnel-in-memory.ts carries a download and an upload through its cuts', async () => {
  const output = await outputOf('tunnel-in-memory.ts');
  assert.match(output, /^connections cut: [1-9]\d*$/m);
  assert.match(output, /^up and down again: 8388608 bytes, the same$/m);
});

test('censor-in-twenty-lines.ts lets HTTP through and resets the rest', async () => {
  const output = await outputOf('censor-in-twenty-lines.ts');
  assert.equal(output, '"GET / HTTP/1.1\\r\\n\\r\\n": answered\n"anything else": reset\n');
});
