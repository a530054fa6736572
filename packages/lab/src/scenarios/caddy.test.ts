// Debian's Caddy in front of the relay, with a site of its own.
import assert from 'node:assert/strict';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startCaddy } from '../testing/caddy.ts';
import { carryBothWays, startClientProgram, startFileSite } from '../testing/file-transfer.ts';
import { pickFreePort } from '../testing/nginx.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { curl, needs, runTool } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const NAME = 'www.example.org';
const FILE_BYTES = 6_000_000;
/** How each transport is put behind it, and what strangers ask at its place. */
const CASES = [
  {
    transport: 'websocket',
    options: 'path=/updates/4711',
    place: '/updates/4711',
    probes: [
      [],
      ['-X', 'POST', '-d', 'x'],
      [
        '-H',
        'Connection: Upgrade',
        '-H',
        'Upgrade: websocket',
        '-H',
        'Sec-WebSocket-Version: 13',
        '-H',
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      ],
    ],
  },
  {
    transport: 'http',
    options: 'prefix=/media/',
    place: `/media/${'A'.repeat(139)}`,
    probes: [[], ['-X', 'POST', '-d', 'x']],
  },
] as const;

for (const { transport, options, place, probes } of CASES) {
  test(`${transport} behind Caddy with TLS, in a place of its site`, needs('caddy', 'curl', 'openssl'), async () => {
    await using scratch = await createScratchFolder();
    const path = (name: string) => join(scratch.path, name);
    const subject = [
      '-subj',
      `/CN=${NAME}`,
      '-addext',
      `subjectAltName=DNS:${NAME}`,
      '-days',
      '3',
      '-nodes',
      '-newkey',
      'rsa:2048',
    ];
    const made = await runTool('openssl', ['req', '-x509', ...subject, '-keyout', path('key'), '-out', path('cert')]);
    assert.equal(made.code, 0, made.err);
    const pin = createHash('sha256')
      .update(new X509Certificate(await readFile(path('cert'))).raw)
      .digest('base64url');
    const file = randomBytes(FILE_BYTES);
    await using site = await startFileSite(file);
    const port = await pickFreePort();
    const listen = `${transport}=127.0.0.1:0,tls=front,pin=${pin},host=${NAME},forwarded=x-forwarded-for,${options}`;
    const address = `${transport}=127.0.0.1:${port}`;
    const init = await runRozan(['relay', 'init', '--data', path('relay'), '--listen', listen, '--address', address]);
    assert.equal(init.code, 0, init.err);
    const allow = ['--egress-allow', `127.0.0.1/32:${site.port}`];
    await using relay = await startProgram(['relay', '--data', path('relay'), '--metrics', 'off', ...allow]);
    const places = Object(relay.ready.listen);
    await mkdir(path('www'));
    await writeFile(path('www/index.html'), '<p>the site of Caddy');
    await using _caddy = await startCaddy(scratch.path, {
      port,
      site: `https://${NAME}`,
      // As docs/spec/transport-websocket.md has it.
      lines: [
        `tls ${path('cert')} ${path('key')}`,
        `root * ${path('www')}`,
        `handle ${transport === 'http' ? '/media/*' : place} {`,
        `reverse_proxy ${places[transport]} {`,
        '@missing status 404 405',
        'handle_response @missing {',
        'file_server',
        '}',
        '}',
        '}',
        'handle {',
        'file_server',
        '}',
      ],
    });
    await using client = await startClientProgram(init.out.trim());
    await carryBothWays(client, { site, file, transport });
    const ask = async (args: readonly string[], where: string) => {
      const at = ['--cacert', path('cert'), '--resolve', `${NAME}:${port}:127.0.0.1`, '--http1.1'];
      const { out, err, code } = await curl([...at, '-i', ...args, `https://${NAME}:${port}${where}`]);
      assert.equal(code, 0, err);
      return out.toString().replace(/^Date: .*$/m, '');
    };
    assert.match(await ask([], '/'), /the site of Caddy/);
    for (const args of probes) {
      assert.equal(await ask(args, place), await ask(args, '/not/there'));
    }
  });
}
