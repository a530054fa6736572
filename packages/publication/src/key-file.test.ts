import assert from 'node:assert/strict';
import { chmod, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { SeededRandom } from '@rozan/tunnel/testing';
import { createKeyFile, isSealedKeyFile, readKeyFile, readPublicKey } from './key-file.ts';

async function keyPath(context: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-key-'));
  context.after(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 'root-1.key');
}

test('a key file is for its owner alone, and is never written over', async (context) => {
  const path = await keyPath(context);
  const made = await createKeyFile(new SeededRandom(1), path, { role: 'root' });
  const read = await readKeyFile(path);
  assert.deepEqual([read.id, read.bytes], [made.id, made.bytes]);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  assert.deepEqual(await readPublicKey(`${path}.pub`), made);
  assert.deepEqual(await readPublicKey(made.bytes.toString('hex')), made);
  assert.equal(await isSealedKeyFile(path), false);
  await assert.rejects(createKeyFile(new SeededRandom(2), path, { role: 'root' }), { code: 'key' });
  await chmod(path, 0o640);
  await assert.rejects(readKeyFile(path), { code: 'key', message: /others can read/ });
});

test('a passphrase seals a key file, and nothing else opens it', async (context) => {
  const path = await keyPath(context);
  const passphrase = 'correct horse battery staple';
  const made = await createKeyFile(new SeededRandom(1), path, { role: 'root', passphrase, workFactor: 10 });
  assert.equal(await isSealedKeyFile(path), true);
  assert.ok(!(await readFile(path, 'utf8')).includes(made.bytes.toString('hex')));
  assert.equal((await readKeyFile(path, passphrase)).id, made.id);
  await assert.rejects(readKeyFile(path, 'wrong'), { code: 'key', message: /does not open/ });
  await assert.rejects(readKeyFile(path), { code: 'key', message: /sealed by a passphrase/ });
});

test('what is no key file is refused, and nothing of it is repeated', async (context) => {
  const path = await keyPath(context);
  for (const text of [
    '',
    'secret',
    '{}',
    '{"format":"rozan publication key","private":"secret"}',
    'x'.repeat(20_000),
  ]) {
    await writeFile(path, text, { mode: 0o600 });
    await assert.rejects(readKeyFile(path), (error: Error) => !error.message.includes('secret'));
    await assert.rejects(readPublicKey(path), { code: 'key' });
  }
  await assert.rejects(readKeyFile(`${path}.none`), { code: 'key' });
});
