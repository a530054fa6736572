import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { carryBothWays, startClientProgram, startFileSite } from '../testing/file-transfer.ts';
import { pickFreePort, startNginx } from '../testing/nginx.ts';
import type { Origin } from '../testing/origin.ts';
import { type Program, runRozan, startProgram } from '../testing/program.ts';
import { startSquid } from '../testing/squid.ts';
import { curl, needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const FILE_BYTES = 6_000_000;

/** Makes a relay that listens by requests, and starts it with so many workers. */
async function startRelay(
  folder: string,
  options: { listen: string; address?: string; workers: number; site: Origin },
): Promise<{ link: string; relay: Program; port: number }> {
  const address = options.address === undefined ? [] : ['--address', `http=${options.address}`];
  const made = await runRozan(['relay', 'init', '--data', folder, '--listen', `http=${options.listen}`, ...address]);
  assert.equal(made.code, 0, made.err);
  const relay = await startProgram([
    ...['relay', '--data', folder, '--metrics', 'off', '--workers', String(options.workers)],
    ...['--egress-allow', `127.0.0.1/32:${options.site.port}`],
  ]);
  const { listen } = relay.ready;
  assert.ok(typeof listen === 'object' && listen !== null && 'http' in listen);
  return { link: made.out.trim(), relay, port: Number(String(listen.http).split(':').at(-1)) };
}

for (const tls of ['self', 'none']) {
  test(`http that stands alone, tls=${tls}: both ways, and a site for everybody else`, needs('curl'), async () => {
    await using scratch = await createScratchFolder();
    const file = randomBytes(FILE_BYTES);
    await using site = await startFileSite(file);
    const listen = `127.0.0.1:0,tls=${tls},prefix=/files/`;
    const { link, relay, port } = await startRelay(join(scratch.path, 'relay'), { listen, workers: 2, site });
    await using _relay = relay;
    await using client = await startClientProgram(link);
    await carryBothWays(client, { site, file, transport: 'http' });
    const base = `${tls === 'none' ? 'http' : 'https'}://127.0.0.1:${port}`;
    const page = await curl(['-k', '-i', `${base}/`]);
    assert.match(page.out.toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*<title>/);
    const missing = await curl(['-k', '-i', `${base}/files/${'A'.repeat(139)}`]);
    assert.match(missing.out.toString(), /^HTTP\/1\.1 404 Not Found\r\n/);
  });
}

/** How strict nginx is told to be, beside what it does by itself: HTTP/1.0 towards the relay, and bodies held back. */
const STRICTNESS: readonly (readonly [name: string, lines: readonly string[]])[] = [
  ['as it is', []],
  [
    'with HTTP/1.0, whole bodies in both directions, and no connection for a second request',
    [
      'proxy_http_version 1.0; proxy_buffering on; proxy_request_buffering on; proxy_set_header Connection close;',
      'proxy_buffers 32 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 1m; keepalive_timeout 0;',
    ],
  ],
  [
    'with HTTP/1.1, bodies on files, and what is small held back',
    [
      'proxy_http_version 1.1; proxy_buffers 2 4k; proxy_buffer_size 4k; proxy_busy_buffers_size 4k; postpone_output 1460;',
    ],
  ],
  ['with HTTP/1.1 that streams', ['proxy_http_version 1.1; proxy_buffering off; proxy_request_buffering off;']],
];

for (const [name, strictness] of STRICTNESS) {
  test(`http behind nginx, in a folder of its site: ${name}`, needs('curl', 'nginx'), () => behindNginx(strictness));
}

async function behindNginx(strictness: readonly string[]): Promise<void> {
  await using scratch = await createScratchFolder();
  const path = (name: string) => join(scratch.path, name);
  const file = randomBytes(FILE_BYTES);
  await using site = await startFileSite(file);
  const port = await pickFreePort();
  const options = { listen: '127.0.0.1:0,prefix=/files/', address: `127.0.0.1:${port}`, workers: 1, site };
  const { link, relay, port: relayPort } = await startRelay(path('relay'), options);
  await using _relay = relay;
  await mkdir(path('www'));
  await writeFile(path('www/index.html'), '<p>the site of nginx');
  await using nginx = await startNginx(scratch.path, {
    port,
    isSecure: false,
    server: [
      `root ${path('www')};`,
      `location /files/ { proxy_pass http://127.0.0.1:${relayPort};`,
      ...strictness,
      'proxy_intercept_errors on; error_page 404 405 = @missing; }',
      'location @missing { return 404; }',
    ],
  });
  await using client = await startClientProgram(link);
  await carryBothWays(client, { site, file, transport: 'http' });
  const ask = async (where: string) => {
    const { out } = await curl(['-i', `http://127.0.0.1:${nginx.port}${where}`]);
    return out.toString().replace(/^Date: .*$/m, '');
  };
  assert.match(await ask('/'), /the site of nginx/);
  // How a connection goes on is a setting of the folder, and so for every path in it.
  const missing = strictness.some((line) => line.includes('keepalive_timeout')) ? '/files/not/there' : '/not/there';
  assert.equal(await ask(`/files/${'A'.repeat(139)}`), await ask(missing));
}

test('http through a proxy that keeps whatever passes, and no connection', needs('curl', 'squid'), async () => {
  await using scratch = await createScratchFolder();
  await using cache = await createScratchFolder();
  const file = randomBytes(FILE_BYTES);
  await using site = await startFileSite(file);
  const port = await pickFreePort();
  const options = { listen: '127.0.0.1:0', address: `127.0.0.1:${port}`, workers: 1, site };
  const { link, relay, port: originPort } = await startRelay(join(scratch.path, 'relay'), options);
  await using _relay = relay;
  await using _squid = await startSquid(cache.path, { port, originPort });
  await using client = await startClientProgram(link);
  await carryBothWays(client, { site, file, transport: 'http' });
});
