import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { runRozan, startProgram } from '../testing/program.ts';
import { initRelay } from '../testing/relay-network.ts';
import { createScratchFolder } from '../world.ts';

const run = promisify(execFile);
const EXAMPLE = resolve(import.meta.dirname, '../../../../examples/client-api.ts');

/** Runs the example on the URL of a client's ready line. */
async function drive(url: string): Promise<string[]> {
  const { stdout } = await run(process.execPath, [EXAMPLE, url]);
  return stdout.trim().split('\n');
}

test('a program connects a client by its local API, follows it, and disconnects it', async () => {
  await using scratch = await createScratchFolder();
  const relayFolder = join(scratch.path, 'relay');
  const link = await initRelay(relayFolder);
  await using _relay = await startProgram(['relay', '--data', relayFolder, '--workers', '1']);
  const data = join(scratch.path, 'client');
  const ports = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--ui', '127.0.0.1:0'];
  await using client = await startProgram(['client', '--entry', '-', '--data', data, ...ports], { input: link });
  assert.match(client.text('ui'), /^http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]{43}$/);
  const lines = await drive(client.text('ui'));
  assert.equal(lines.at(-1), 'off');
  assert.ok(
    lines.some((line) => line.startsWith('connected: looks like nothing')),
    lines.join('\n'),
  );
  await client.waitForEvent(({ event }) => event === 'session.closed');
  // The code is used up; the file has another.
  await assert.rejects(drive(client.text('ui')));
  assert.equal((await stat(join(data, 'app-link'))).mode & 0o777, 0o600);
  const later = (await readFile(join(data, 'app-link'), 'utf8')).trim();
  assert.equal((await drive(later)).at(-1), 'off');
});

test('the app is for this machine alone', async () => {
  const { code, err } = await runRozan(['client', '--ui', '0.0.0.0:0']);
  assert.equal(code, 2);
  assert.match(err, /--ui takes an address of this machine alone/);
});
