import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pickFreePort, startNginx } from '../testing/nginx.ts';
import { type Origin, startSite } from '../testing/origin.ts';
import { type Program, runRozan, startProgram } from '../testing/program.ts';
import { startSquid } from '../testing/squid.ts';
import { curl, needs, sha256 } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const FILE_BYTES = 6_000_000;

/** A site that gives one file, and says the digest of what it is sent. */
function startFileSite(file: Buffer): Promise<Origin> {
  return startSite((request, response) => {
    if (request.method === 'GET') {
      response.end(file);
      return;
    }
    const hash = createHash('sha256');
    request.on('data', (bytes: Buffer) => hash.update(bytes));
    request.on('end', () => response.end(hash.digest('hex')));
  });
}

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

async function startClient(link: string): Promise<Program> {
  return startProgram(['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'], { input: link });
}

/** Loads the file through the client and sends it back. */
async function carryBothWays(client: Program, site: Origin, file: Buffer): Promise<void> {
  const url = `http://127.0.0.1:${site.port}/`;
  const down = await curl(['-x', `socks5h://${client.text('socks')}`, url]);
  assert.equal(down.code, 0, down.err);
  assert.equal(sha256(down.out), sha256(file));
  const upload = ['-x', `http://${client.text('http')}`, '-p', '-H', 'Expect:', '--data-binary', '@-', url];
  const up = await curl(upload, { input: file });
  assert.equal(up.out.toString(), sha256(file), up.err);
  const carriers = client.events.filter(({ event }) => event === 'carrier.attached');
  assert.deepEqual(new Set(carriers.map(({ transport }) => transport)), new Set(['http']));
}

for (const tls of ['self', 'none']) {
  test(`http that stands alone, tls=${tls}: both ways, and a site for everybody else`, needs('curl'), async () => {
    await using scratch = await createScratchFolder();
    const file = randomBytes(FILE_BYTES);
    await using site = await startFileSite(file);
    const listen = `127.0.0.1:0,tls=${tls},prefix=/files/`;
    const { link, relay, port } = await startRelay(join(scratch.path, 'relay'), { listen, workers: 2, site });
    await using _relay = relay;
    await using client = await startClient(link);
    await carryBothWays(client, site, file);
    const base = `${tls === 'none' ? 'http' : 'https'}://127.0.0.1:${port}`;
    const page = await curl(['-k', '-i', `${base}/`]);
    assert.match(page.out.toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*<title>/);
    const missing = await curl(['-k', '-i', `${base}/files/${'A'.repeat(139)}`]);
    assert.match(missing.out.toString(), /^HTTP\/1\.1 404 Not Found\r\n/);
  });
}

test('http behind nginx, in a folder of its site', needs('curl', 'nginx'), async () => {
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
    // Nothing but where to: HTTP/1.0, Connection: close and whole bodies are what it does by itself.
    server: [
      `root ${path('www')};`,
      `location /files/ { proxy_pass http://127.0.0.1:${relayPort};`,
      'proxy_intercept_errors on; error_page 404 405 = @missing; }',
      'location @missing { return 404; }',
    ],
  });
  await using client = await startClient(link);
  await carryBothWays(client, site, file);
  const ask = async (where: string) => {
    const { out } = await curl(['-i', `http://127.0.0.1:${nginx.port}${where}`]);
    return out.toString().replace(/^Date: .*$/m, '');
  };
  assert.match(await ask('/'), /the site of nginx/);
  assert.equal(await ask(`/files/${'A'.repeat(139)}`), await ask('/not/there'));
});

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
  await using client = await startClient(link);
  await carryBothWays(client, site, file);
});
