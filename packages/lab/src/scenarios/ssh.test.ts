import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { startProgram } from '../testing/program.ts';
import { needsSshServer, startSshServer } from '../testing/ssh-server.ts';
import { findCommand, runTool, sha256 } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const FILE_BYTES = 20_000_000;

/** Netcat as OpenBSD has it; others do not know -X. */
const netcat = findCommand('nc.openbsd') ?? findCommand('nc');

test('ssh over nc -X 5: a command, and 20 MB each way', needsSshServer('ssh', 'nc.openbsd'), async () => {
  await using scratch = await createScratchFolder();
  await using server = await startSshServer(scratch.path);
  const rule = `127.0.0.1/32:${server.port}`;
  await using demo = await startProgram([
    'demo',
    '--socks',
    '127.0.0.1:0',
    '--http',
    '127.0.0.1:0',
    '--egress-allow',
    rule,
  ]);
  const proxyCommand = `ProxyCommand=${netcat} -X 5 -x ${demo.text('socks')} %h %p`;
  const ssh = (command: string, input: Buffer | string = '') =>
    runTool('ssh', ['-T', '-o', proxyCommand, ...server.clientOptions, 'root@127.0.0.1', command], { input });
  const hello = await ssh('echo hello from afar');
  assert.equal(hello.code, 0, hello.err);
  assert.equal(hello.out.toString(), 'hello from afar\n');

  const bytes = randomBytes(FILE_BYTES);
  const path = join(scratch.path, 'file.bin');
  await writeFile(path, bytes);
  const download = await ssh(`cat ${path}`);
  assert.equal(download.code, 0, download.err);
  assert.equal(sha256(download.out), sha256(bytes));
  const upload = await ssh('sha256sum', bytes);
  assert.equal(upload.out.toString().split(' ')[0], sha256(bytes), upload.err);

  const failure = await ssh('exit 7');
  assert.equal(failure.code, 7);
  assert.deepEqual(
    demo.events.filter(({ event }) => event === 'stream.failed'),
    [],
  );
});
