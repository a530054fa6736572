import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

/** What a network has to pass, with everything that stands on sockets alone. */
const SUITES = ['network.test.ts', 'network-udp.test.ts', 'real-env.test.ts', 'splice.test.ts', 'transports'];

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** Where Bun is: what BUN names, or what an npm that was told to install it has put into node_modules. */
function findBun(): string | null {
  const path = process.env.BUN ?? join(root, 'node_modules/.bin/bun');
  return existsSync(path) ? path : null;
}

const bun = findBun();

test('network on Bun: passes what the network on Node does', {
  skip: bun === null && 'Bun is not here; BUN can name it',
}, async () => {
  assert.ok(bun !== null);
  const paths = SUITES.map((name) => `./packages/tunnel/src/${name}`);
  const child = spawn(bun, ['test', '--timeout', '60000', ...paths], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const [output, report, code] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    new Promise((resolve) => child.once('close', resolve)),
  ]);
  assert.equal(code, 0, `${output}${report}`);
  assert.match(report, /\b[1-9][0-9]* pass\b/);
});
