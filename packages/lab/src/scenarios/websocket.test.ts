import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { carryBothWays, startClientProgram, startFileSite } from '../testing/file-transfer.ts';
import { pickFreePort, startNginx } from '../testing/nginx.ts';
import { type Program, runRozan, startProgram } from '../testing/program.ts';
import { curl, needs, runTool } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const FILE_BYTES = 8_000_000;
const PATH = '/updates/4711';

/** Makes a relay; returns its entry. */
async function init(folder: string, ...args: readonly string[]): Promise<string> {
  const { code, out, err } = await runRozan(['relay', 'init', '--data', folder, ...args]);
  assert.equal(code, 0, err);
  return out.trim();
}

function placeOf(relay: Program): string {
  const { listen } = relay.ready;
  assert.ok(typeof listen === 'object' && listen !== null && 'websocket' in listen);
  return String(listen.websocket);
}

/** What curl asks of somebody who looks for a WebSocket. */
const UPGRADE = [
  ...['-H', 'Connection: Upgrade', '-H', 'Upgrade: websocket', '-H', 'Sec-WebSocket-Version: 13'],
  ...['-H', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', '--http1.1'],
];

for (const tls of ['self', 'none']) {
  test(
    `websocket that stands alone, tls=${tls}: 8 MB each way, and a site for everybody else`,
    needs('curl'),
    async () => {
      await using scratch = await createScratchFolder();
      const file = randomBytes(FILE_BYTES);
      await using site = await startFileSite(file);
      const folder = join(scratch.path, 'relay');
      const link = await init(folder, '--listen', `websocket=127.0.0.1:0,tls=${tls},path=${PATH}`);
      const allow = ['--egress-allow', `127.0.0.1/32:${site.port}`];
      await using relay = await startProgram([
        'relay',
        '--data',
        folder,
        '--metrics',
        'off',
        '--workers',
        '2',
        ...allow,
      ]);
      await using client = await startClientProgram(link);
      await carryBothWays(client, { site, file, transport: 'websocket' });

      const base = `${tls === 'none' ? 'http' : 'https'}://${placeOf(relay)}`;
      const page = await curl(['-k', '-i', `${base}/`]);
      assert.match(page.out.toString(), /^HTTP\/1\.1 200 OK\r\n[\s\S]*<title>/);
      assert.doesNotMatch(page.out.toString(), /rozan/i);
      for (const args of [[], UPGRADE]) {
        const answer = await curl(['-k', '-i', ...args, `${base}${PATH}`]);
        assert.match(answer.out.toString(), /^HTTP\/1\.1 404 Not Found\r\n/);
      }
    },
  );
}

test('websocket behind nginx with TLS, on a path of its site', needs('curl', 'nginx', 'openssl'), async () => {
  await using scratch = await createScratchFolder();
  const path = (name: string) => join(scratch.path, name);
  const file = randomBytes(FILE_BYTES);
  await using site = await startFileSite(file);
  const subject = ['-subj', '/CN=www.example.org', '-days', '3', '-nodes', '-newkey', 'rsa:2048'];
  const made = await runTool('openssl', ['req', '-x509', ...subject, '-keyout', path('key'), '-out', path('cert')]);
  assert.equal(made.code, 0, made.err);
  const pin = createHash('sha256')
    .update(new X509Certificate(await readFile(path('cert'))).raw)
    .digest('base64url');
  const port = await pickFreePort();
  const front = `tls=front,pin=${pin},host=www.example.org,path=${PATH},forwarded=x-forwarded-for`;
  const listen = ['--listen', `websocket=127.0.0.1:0,${front}`, '--address', `websocket=127.0.0.1:${port}`];
  const link = await init(path('relay'), ...listen);
  const allow = ['--egress-allow', `127.0.0.1/32:${site.port}`];
  await using relay = await startProgram(['relay', '--data', path('relay'), '--metrics', 'off', ...allow]);
  await mkdir(path('www'));
  await writeFile(path('www/index.html'), '<p>the site of nginx');
  await using nginx = await startNginx(scratch.path, {
    port,
    isSecure: true,
    server: [
      `server_name www.example.org; ssl_certificate ${path('cert')}; ssl_certificate_key ${path('key')};`,
      'ssl_protocols TLSv1.2 TLSv1.3;',
      `root ${path('www')};`,
      `location = ${PATH} {`,
      `proxy_pass http://${placeOf(relay)}; proxy_http_version 1.1; proxy_read_timeout 1h; proxy_intercept_errors on;`,
      'proxy_set_header Host $host; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;',
      'proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
      'error_page 404 405 = @missing;',
      '}',
      'location @missing { return 404; }',
    ],
  });
  await using client = await startClientProgram(link);
  await carryBothWays(client, { site, file, transport: 'websocket' });

  const ask = async (args: readonly string[], where: string) => {
    const { out, err, code } = await curl(['-k', '-i', ...args, `https://127.0.0.1:${nginx.port}${where}`]);
    assert.equal(code, 0, err);
    return out.toString().replace(/^Date: .*$/m, '');
  };
  assert.match(await ask([], '/'), /the site of nginx/);
  // Whoever lacks the cookie sees what nginx says of any path that is not there.
  for (const args of [['--http1.1'], UPGRADE, ['-X', 'POST', '-d', 'x']]) {
    assert.equal(await ask(args, PATH), await ask(args, '/not/there'));
  }
});
