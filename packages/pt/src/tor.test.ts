// Debian's tor with `rozan pt` as its client plugin. Its one bridge is a port of this machine at which nobody answers, and bridges are all
// that it may connect to; with `DisableNetwork 1` it would not start plugins at all.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { methodName, offeredTransports } from './methods.ts';

const ROZAN = resolve(import.meta.dirname, '../../../bin/rozan.mjs');
const PATIENCE_MS = 60_000;
const TOR = ['/usr/sbin/tor', '/usr/bin/tor'].find((path) => existsSync(path));

it('tor registers every method of ours', { skip: TOR === undefined ? 'not on this machine: tor' : false }, async () => {
  assert.ok(TOR);
  const methods = offeredTransports().map(methodName);
  const folder = await mkdtemp(join(tmpdir(), 'rozan-tor-test-'));
  const torrc = join(folder, 'torrc');
  await writeFile(
    torrc,
    `DataDirectory ${join(folder, 'data')}
SocksPort 0
UseBridges 1
Bridge ${methods[0]} 127.0.0.1:9 cert=AAAA
ClientTransportPlugin ${methods.join(',')} exec ${process.execPath} ${ROZAN} pt
Log info stdout
`,
  );
  const tor = spawn(TOR, ['-f', torrc, '--defaults-torrc', join(folder, 'none')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exit = once(tor, 'exit');
  const timer = setTimeout(() => tor.kill('SIGKILL'), PATIENCE_MS);
  const missing = new Set(methods);
  try {
    for await (const line of createInterface({ input: tor.stdout })) {
      const [, name] = /Successfully registered transport (\w+)/.exec(line) ?? [];
      if (name !== undefined) missing.delete(name);
      if (missing.size === 0) break;
    }
    assert.deepEqual([...missing], []);
  } finally {
    clearTimeout(timer);
    // Not SIGINT, by which it would wait for its connections.
    tor.kill('SIGTERM');
    await exit;
    await rm(folder, { recursive: true, force: true });
  }
});
