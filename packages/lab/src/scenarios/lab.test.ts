// The lab as a person uses it: the quick table with real programs, and what is left behind when it is stopped.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import type { Scoreboard } from '../board/scoreboard.ts';
import { makePcap } from '../testing/pcap.ts';
import { runRozan } from '../testing/program.ts';
import { findCommand } from '../testing/tools.ts';

const ROZAN = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');
/** What survives nothing of the quick table's, by the catalogue: beside a rule that samples, and ports. */
const PEERS_FAIL = ['C03-drop', 'C18-address', 'C07'];

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function lab(args: readonly string[], folder: string): ReturnType<typeof spawn> {
  const env = { ...process.env, TMPDIR: folder, NODE_TEST_CONTEXT: undefined };
  return spawn(process.execPath, [...process.execArgv, ROZAN, 'lab', ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Whoever runs with this folder as its own. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '');
    if (environment.includes(`TMPDIR=${folder}\0`))
      found.push(await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => pid));
  }
  return found;
}

test('the list names every policy with its source, and the scenarios', async () => {
  const { code, out } = await runRozan(['lab', 'list', '--json']);
  assert.equal(code, 0);
  const list: { policies: { id: string; source: string }[]; scenarios: { name: string }[] } = JSON.parse(out);
  assert.ok(list.policies.some(({ id }) => id === 'C34-packets'));
  assert.ok(list.policies.every(({ source }) => source.length > 0));
  assert.ok(list.scenarios.some(({ name }) => name === 'iran-2013'));
  const wrong = await runRozan(['lab', 'run', 'C99']);
  assert.equal(wrong.code, 2);
  assert.match(wrong.err, /there is no policy 'C99'/);
});

test('a capture is judged alike each time, and what is none is refused', async () => {
  await inFolder(async (folder) => {
    const file = join(folder, 'x.pcap');
    await writeFile(file, makePcap([{ from: 'client', bytes: Buffer.from('SSH-2.0-OpenSSH_9.2\r\n') }], 22));
    const [first, second] = [
      await runRozan(['lab', 'judge', file, '--json']),
      await runRozan(['lab', 'judge', file, '--json']),
    ];
    assert.equal(first.out, second.out);
    const judged: { flows: number; policies: { id: string; acted: number[] }[] } = JSON.parse(first.out);
    assert.equal(judged.flows, 1);
    const acts = judged.policies.filter(({ acted }) => acted.length > 0).map(({ id }) => id);
    assert.ok(acts.includes('C24-drop') && !acts.includes('C13-cn'), acts.join());
    await writeFile(file, 'no capture');
    assert.equal((await runRozan(['lab', 'judge', file])).code, 2);
  });
});

test('in the quick table the adaptive client gets through everywhere, and every censor bites', {
  timeout: 300_000,
}, async () => {
  await inFolder(async (folder) => {
    const json = join(folder, 'board.json');
    const run = lab(['run', 'quick', '--json', json], folder);
    run.stdout?.resume();
    let err = '';
    run.stderr?.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    const [code] = await once(run, 'close');
    assert.equal(code, 0, err);
    const board: Scoreboard = JSON.parse(await readFile(json, 'utf8'));
    for (const { subject, policy, reached, survival } of board.cells) {
      if (subject === 'adaptive')
        assert.ok(reached.k === reached.n && survival?.isWhole, `${policy}: ${JSON.stringify({ reached, survival })}`);
      else if (PEERS_FAIL.includes(policy)) assert.equal(reached.k, 0, `${subject} under ${policy}`);
    }
    for (const { policy, hit } of board.controls) assert.ok(hit.k > 0, `${policy} does not bite`);
    assert.deepEqual(await processesOf(folder), []);
  });
});

test('Ctrl-C leaves no process and no file', {
  timeout: 120_000,
  skip: findCommand('setpriv') === null ? 'not on this machine: setpriv' : false,
}, async () => {
  await inFolder(async (folder) => {
    const run = lab(['run', 'quick'], folder);
    run.stdout?.resume();
    run.stderr?.setEncoding('utf8');
    await once(run.stderr ?? run, 'data');
    run.kill('SIGINT');
    const [code] = await once(run, 'close');
    assert.equal(code, 0);
    assert.deepEqual(await processesOf(folder), []);
    assert.deepEqual(await readdir(folder), []);
  });
});
