// Clients that are not ours read what we publish: tuf-js with its own fetcher and its own clock, and python-tuf.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { Updater } from 'tuf-js';
import { bucketOf } from '../lists/bucket.ts';
import { decodeList } from '../lists/paper-list.ts';
import { draftFiles, draftKeyChange, draftPartner } from '../make/propose.ts';
import { TestPublisher } from '../testing/publisher.ts';
import { startMirror, type TestMirror } from '../testing/test-mirror.ts';

const run = promisify(execFile);
const PYTHON_PACKAGES = ['tuf==7.0.1', 'securesystemslib[crypto]==1.6.0'];
const PIP_MS = 90_000;

interface Scene {
  readonly publisher: TestPublisher;
  readonly mirror: TestMirror;
  readonly folder: string;
  /** What is at which path. A list is sealed. */
  readonly files: ReadonlyMap<string, Buffer | 'list'>;
  readonly bucketKey: Buffer;
}

/** A publication that has everything: a root that was followed by another, lists, a delta, releases, a partner. */
async function createScene(context: TestContext): Promise<Scene> {
  // These clients ask the machine for the time.
  const nowMs = Date.now();
  const publisher = await TestPublisher.create({ nowMs });
  const bucketKey = publisher.addList(20);
  for (let list = 0; list < 9; list++) publisher.addList(3);
  publisher.files.set('network/tactics', { bytes: Buffer.from('tactics'), custom: { digest: 'x' } });
  await publisher.publish();
  publisher.changeList(bucketKey);
  const partner = publisher.drawKey();
  await draftPartner(publisher, { name: 'radio', key: partner }, nowMs);
  await draftFiles(publisher, 'partner-radio', {
    files: new Map([['partners/radio/news', { bytes: Buffer.from('news') }]]),
    nowMs,
  });
  await draftFiles(publisher, 'releases', {
    files: new Map([['releases/1.0/bundle', { bytes: Buffer.alloc(90_000, 7) }]]),
    nowMs,
  });
  const [lost, second, third] = publisher.keys.root;
  assert.ok(lost && second && third);
  const fresh = publisher.drawKey();
  await draftKeyChange(publisher, { role: 'root', add: [fresh], remove: [lost.id] }, nowMs);
  const signers = { targets: publisher.keys.targets, releases: publisher.keys.releases, root: [second, third] };
  await publisher.signPending({ ...signers, 'partner-radio': [partner] });
  assert.deepEqual((await publisher.publish()).waiting, []);
  const mirror = await startMirror(publisher.storage);
  context.after(() => mirror[Symbol.asyncDispose]());
  const folder = await mkdtemp(join(tmpdir(), 'rozan-independent-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'root.json'), await publisher.rootBytes(1));
  const files = new Map<string, Buffer | 'list'>([
    ['network/tactics', Buffer.from('tactics')],
    ['partners/radio/news', Buffer.from('news')],
    ['releases/1.0/bundle', Buffer.alloc(90_000, 7)],
    [bucketOf(bucketKey).path, 'list'],
  ]);
  return { publisher, mirror, folder, files, bucketKey };
}

function assertFile({ publisher, bucketKey }: Scene, expected: Buffer | 'list', bytes: Buffer): void {
  if (expected !== 'list') assert.deepEqual(bytes, expected);
  else {
    const entries = decodeList(bucketOf(bucketKey).open('entry list', bytes));
    assert.deepEqual(entries, publisher.lists[0]?.entries.toSorted(Buffer.compare));
  }
}

test('tuf-js by itself accepts what we publish', async (context) => {
  const scene = await createScene(context);
  const { mirror, folder, files } = scene;
  const urls = { metadataBaseUrl: `${mirror.url}metadata/`, targetBaseUrl: `${mirror.url}targets/` };
  const updater = new Updater({ metadataDir: folder, targetDir: folder, ...urls });
  await updater.refresh();
  for (const [path, expected] of files) {
    const target = await updater.getTargetInfo(path);
    assert.ok(target, path);
    assertFile(scene, expected, await readFile(await updater.downloadTarget(target)));
  }
  assert.equal(await updater.getTargetInfo('releases/none'), undefined);
});

const PYTHON = `
import json, sys
from tuf.ngclient import Updater
folder, url, paths = sys.argv[1], sys.argv[2], sys.argv[3:]
root = open(folder + "/root.json", "rb").read()
updater = Updater(folder, url + "metadata/", folder, url + "targets/", bootstrap=root)
updater.refresh()
found = {}
for path in paths:
    info = updater.get_targetinfo(path)
    found[path] = None if info is None else updater.download_target(info)
print(json.dumps(found))
`;

/** An interpreter that has python-tuf, or why there is none. */
async function findPython(folder: string): Promise<{ readonly python: string } | { readonly skip: string }> {
  const environment = join(folder, 'python');
  try {
    await run('python3', ['-m', 'venv', environment]);
  } catch {
    return { skip: 'not on this machine: python3 with venv' };
  }
  try {
    const python = join(environment, 'bin/python');
    const quiet = ['--quiet', '--disable-pip-version-check', '--retries', '0', '--timeout', '10'];
    await run(python, ['-m', 'pip', 'install', ...quiet, ...PYTHON_PACKAGES], { timeout: PIP_MS });
    return { python };
  } catch {
    return { skip: 'python-tuf cannot be had from PyPI' };
  }
}

test('python-tuf accepts what we publish', { timeout: 2 * PIP_MS }, async (context) => {
  const scene = await createScene(context);
  const { mirror, folder, files } = scene;
  const found = await findPython(folder);
  if ('skip' in found) {
    context.skip(found.skip);
    return;
  }
  const script = join(folder, 'client.py');
  await writeFile(script, PYTHON);
  // A proxy of the environment is not for loopback.
  const env = { ...process.env, no_proxy: '127.0.0.1', NO_PROXY: '127.0.0.1' };
  const { stdout } = await run(found.python, [script, folder, mirror.url, ...files.keys(), 'releases/none'], { env });
  const paths: Record<string, string | null> = JSON.parse(stdout);
  for (const [path, expected] of files) assertFile(scene, expected, await readFile(paths[path] ?? ''));
  assert.equal(paths['releases/none'], null);
});
