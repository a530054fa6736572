// A mirror needs nothing but files: Debian's nginx serves a folder.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  copyPublication,
  createFolderStorage,
  createMemoryStorage,
  createMirrorDial,
  draftFiles,
  Fetcher,
} from '@rozan/publication';
import { TestPublisher } from '@rozan/publication/testing';
import { createEnv } from '@rozan/tunnel';
import { pickFreePort, startNginx } from '../testing/nginx.ts';
import { needs, runTool } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const NAME = 'papers.example';

async function makeCertificate(folder: string): Promise<string> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const subject = ['-subj', `/CN=${NAME}`, '-addext', `subjectAltName=DNS:${NAME}`];
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
  const { code, err } = await runTool('openssl', [
    'req',
    '-x509',
    ...kind,
    ...subject,
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  assert.equal(code, 0, err);
  const { out } = await runTool('cat', [certificate]);
  return out.toString();
}

test(
  'a client fetches from a plain nginx, over TLS, and goes on where a transfer broke',
  needs('nginx', 'openssl'),
  async () => {
    await using scratch = await createScratchFolder();
    const publisher = await TestPublisher.create();
    const key = publisher.addList(20);
    const release = Buffer.from(publisher.random.bytes(300_000));
    const nowMs = publisher.clock.wallMs();
    await draftFiles(publisher, 'releases', { files: new Map([['releases/bundle', { bytes: release }]]), nowMs });
    await publisher.signPending();
    await publisher.publish();
    const folder = join(scratch.path, 'www/papers');
    await mkdir(folder, { recursive: true });
    await copyPublication(publisher.storage, createFolderStorage(folder));
    const roots = await makeCertificate(scratch.path);
    const port = await pickFreePort();
    await using _nginx = await startNginx(scratch.path, {
      port,
      isSecure: true,
      server: [
        `root ${join(scratch.path, 'www')}; gzip on; gzip_types application/json; ssl_protocols TLSv1.3;`,
        `ssl_certificate ${join(scratch.path, 'certificate.pem')}; ssl_certificate_key ${join(scratch.path, 'key.pem')};`,
      ],
    });
    const env = createEnv({ log: () => {} });
    let dials = 0;
    const dial = createMirrorDial(env, {
      roots,
      resolve: async () => {
        dials += 1;
        return '127.0.0.1';
      },
    });
    const store = createMemoryStorage(env.clock);
    const mirrors = { urls: [`https://${NAME}:${port}/papers`], dial };
    using fetcher = await Fetcher.open(publisher, { root: await publisher.rootBytes(), store, mirrors });
    assert.equal((await fetcher.refresh()).version, 2);
    assert.equal((await fetcher.entryList(key)).entries.length, 20);
    // One connection for all of it.
    assert.equal(dials, 1);
    const bundle = createHash('sha256').update(release).digest('hex');
    for (const part of [0, 1, 2])
      await store.write(`parts/${bundle}.${part}`, release.subarray(part * 65_536, (part + 1) * 65_536));
    const before = fetcher.receivedBytes;
    assert.deepEqual((await fetcher.target('releases/bundle')).bytes, release);
    // The rest of it, and the metadata of releases.
    assert.ok(fetcher.receivedBytes - before < release.length - 3 * 65_536 + 2000);
    // A name that the certificate does not bear is nobody's mirror.
    const others = { urls: [`https://other.example:${port}/papers`], dial };
    using misled = await Fetcher.open(publisher, { root: await publisher.rootBytes(), store, mirrors: others });
    await assert.rejects(misled.refresh(), { code: 'unavailable' });
    await writeFile(join(folder, 'metadata/timestamp.json'), 'gone');
    await assert.rejects(fetcher.refresh(), { code: 'malformed' });
  },
);
