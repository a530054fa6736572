// The whole product with Debian's obfs4proxy as its carrier: relay, client, and curl.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startSite } from '../testing/origin.ts';
import { runRozan, STOP_MS, startProgram } from '../testing/program.ts';
import { curl, needs, sha256 } from '../testing/tools.ts';
import { createScratchFolder, type ScratchFolder } from '../world.ts';

const EXECUTABLE = '/usr/bin/obfs4proxy';
const CONTENT = Buffer.alloc(3_000_000, 'a site ');
const ANY = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').split('\0')[0] ?? '';
  } catch {
    return '';
  }
}

/** Rejects when the process does not end by itself. */
async function expectGone(pid: number): Promise<void> {
  const patience = AbortSignal.timeout(STOP_MS);
  while (commandOf(pid) === EXECUTABLE) {
    assert.ok(!patience.aborted, 'the executable has outlived the program that started it');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('over obfs4', needs('obfs4proxy', 'curl'), () => {
  let scratch: ScratchFolder;
  let entry: string;
  let relayData: string;
  before(async () => {
    scratch = await createScratchFolder();
    relayData = join(scratch.path, 'relay');
    entry = join(scratch.path, 'entry.txt');
    const listen = `pluggable=127.0.0.1:0,exec=${EXECUTABLE},method=obfs4`;
    const made = await runRozan(['relay', 'init', '--data', relayData, '--listen', listen]);
    assert.equal(made.code, 0, made.err);
    await writeFile(entry, made.out);
  });
  after(() => scratch[Symbol.asyncDispose]());

  const startRelay = (workers: number) =>
    startProgram(['relay', '--data', relayData, '--workers', String(workers), '--egress-allow', '127.0.0.1/32']);
  const startClient = () => startProgram(['client', '--entry', entry, '--pt', `obfs4=${EXECUTABLE}`, ...ANY]);

  it('a download comes whole, with two workers behind one executable', async () => {
    await using site = await startSite((_request, response) => response.end(CONTENT));
    await using relay = await startRelay(2);
    await using client = await startClient();
    const got = await curl(['--socks5-hostname', client.text('socks'), `http://127.0.0.1:${site.port}/`]);
    assert.equal(got.code, 0, got.err);
    assert.equal(sha256(got.out), sha256(CONTENT));
    assert.equal(relay.events.length, 0);
  });

  it('an executable that is killed is started again, and the session goes on', async () => {
    await using site = await startSite((_request, response) => response.end(CONTENT));
    await using relay = await startRelay(1);
    await using client = await startClient();
    const [server] = relay.children().filter((pid) => commandOf(pid) === EXECUTABLE);
    assert.ok(server);
    process.kill(server, 'SIGKILL');
    await relay.waitForEvent(({ event }) => event === 'program.back');
    const got = await curl(['--socks5-hostname', client.text('socks'), `http://127.0.0.1:${site.port}/`]);
    assert.equal(got.code, 0, got.err);
    assert.ok(relay.events.some(({ event, method }) => event === 'program.lost' && method === 'obfs4'));
  });

  it('executables end with the program that has started them, even if it is killed', async () => {
    await using relay = await startRelay(1);
    const client = await startClient();
    const children = [...client.children(), ...relay.children()].filter((pid) => commandOf(pid) === EXECUTABLE);
    assert.equal(children.length, 2);
    const [ofClient = 0] = children;
    await client.stop('SIGKILL');
    await expectGone(ofClient);
  });

  it('a client without an executable for it says what to do', async () => {
    const result = await runRozan(['client', '--entry', entry, '--pt', 'obfs4', ...ANY]);
    assert.equal(result.code, 2);
    assert.match(result.err, /--pt reads METHOD=EXECUTABLE/);
  });
});
