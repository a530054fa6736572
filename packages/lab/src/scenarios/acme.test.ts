// A relay that gets its certificate from a real authority for tests, at the port of its own listener; clients go by the name alone.
import assert from 'node:assert/strict';
import { randomBytes, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { carryBothWays, startClientProgram, startFileSite } from '../testing/file-transfer.ts';
import { pickFreePort } from '../testing/nginx.ts';
import { startPebble } from '../testing/pebble.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { curl, needs } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const NAME = 'relay.example.org';
const FILE_BYTES = 2_000_000;
const POLL_MS = 20;

test(
  'tls=acme: a certificate of Pebble, with two workers and a kill in the midst; clients trust it by its name, and a start with it asks nobody',
  needs('pebble', 'curl', 'openssl'),
  async () => {
    await using scratch = await createScratchFolder();
    const tlsPort = await pickFreePort();
    await using pebble = await startPebble(scratch.path, { tlsPort });
    const file = randomBytes(FILE_BYTES);
    await using site = await startFileSite(file);
    const folder = join(scratch.path, 'relay');
    const acme = `acme-directory=${pebble.directory},acme-root=${pebble.serverRoot},acme-contact=operator@example.org`;
    const listen = `websocket=127.0.0.1:${tlsPort},tls=acme,host=${NAME},${acme}`;
    const made = await runRozan(['relay', 'init', '--data', folder, '--listen', listen]);
    assert.equal(made.code, 0, made.err);
    const args = [
      'relay',
      '--data',
      folder,
      '--metrics',
      'off',
      '--workers',
      '2',
      '--egress-allow',
      `127.0.0.1/32:${site.port}`,
    ];
    const visit = (...more: string[]) =>
      curl([
        '--cacert',
        pebble.issuerRoot,
        '--resolve',
        `${NAME}:${tlsPort}:127.0.0.1`,
        ...more,
        `https://${NAME}:${tlsPort}/`,
      ]);
    const stored = async () => JSON.parse(await readFile(join(folder, `certificate-${NAME}.json`), 'utf8'));
    {
      await using killed = await startProgram(args);
      // It is killed while the authority has yet to decide.
      while (!(await stored().catch(() => null))?.order) await pause(POLL_MS);
      await killed.stop('SIGKILL');
    }
    const { account, identity } = await stored();
    assert.equal(identity, null);
    {
      await using relay = await startProgram(args);
      const { expires } = await relay.waitForEvent(({ event }) => event === 'certificate.issued');
      assert.ok(Number(expires) * 1000 > Date.now());
      for (let visits = 0; visits < 4; visits++) {
        const { code, err, out } = await visit();
        assert.equal(code, 0, err);
        assert.match(out.toString(), /<title>/);
      }
      await using client = await startClientProgram(made.out.trim(), {
        NODE_EXTRA_CA_CERTS: pebble.issuerRoot,
        SSL_CERT_FILE: pebble.issuerRoot,
      });
      await carryBothWays(client, { site, file, transport: 'websocket' });
    }
    const before = await stored();
    assert.equal(before.account.url, account.url);
    // Whether the order too depends on where Pebble was: one whose relay was not there when it asked is spoilt.
    assert.equal(new X509Certificate(before.identity.certificate).checkHost(NAME), NAME);
    await pebble[Symbol.asyncDispose]();
    await using relay = await startProgram(args);
    assert.equal((await visit()).code, 0);
    assert.deepEqual(await stored(), before);
    assert.deepEqual(
      relay.events.filter(({ event }) => event.startsWith('certificate.')),
      [],
    );
  },
);
