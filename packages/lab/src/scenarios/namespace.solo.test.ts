// Censors that are true of single packets: the kernel drops, polices and resets between two network namespaces.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { namespacesMissing } from '../board/namespace.ts';
import { type NamespaceWorld, startNamespaceWorld } from '../board/namespace-run.ts';
import { cutAtAge, frozen, type PacketPolicy, resetPort, throttled } from '../board/packet-policies.ts';
import type { Subject } from '../board/subject.ts';
import { findCommand, runTool } from '../testing/tools.ts';
import { createScratchFolder, type ScratchFolder } from '../world.ts';

const missing = namespacesMissing() ?? (findCommand('curl') === null ? 'not on this machine: curl' : null);
const READY_MS = 30_000;
const ROZAN = join(import.meta.dirname, '../../../../bin/rozan.mjs');
const AGE_SECONDS = 3;
/** Sent so that it lasts three times the age. */
const LONG = { bytes: 1_800_000, rate: 200_000, seconds: 60 };
const SLOW_RATE = 32_000;

describe('in namespaces', { skip: missing ?? false, timeout: 240_000 }, () => {
  let scratch: ScratchFolder;
  let world: NamespaceWorld;
  before(async () => {
    scratch = await createScratchFolder();
    world = await startNamespaceWorld(scratch.path, (name) => ['adaptive', 'websocket-tls'].includes(name));
  });
  after(async () => {
    await world?.[Symbol.asyncDispose]();
    await scratch?.[Symbol.asyncDispose]();
  });
  const subject = (name: string): Subject => world.subjects.find((each) => each.name === name) ?? assert.fail(name);

  /** What a client fetches under a policy that was there before it. */
  async function through(name: string, policy: PacketPolicy, wanted: Parameters<NamespaceWorld['download']>[1]) {
    await world.enforce(policy);
    await using client = await world.startClient(subject(name));
    await client.ready(AbortSignal.timeout(READY_MS));
    return await world.download(client, wanted);
  }

  it('a cut at an age breaks a plain download, and none of ours', async () => {
    await world.enforce(cutAtAge(AGE_SECONDS));
    const plain = await world.download(null, { ...LONG, seconds: 10 });
    assert.equal(plain.isWhole, false, 'the control is not cut');
    assert.ok((await world.acted()) > 0);
    const ours = await through('websocket-tls', cutAtAge(AGE_SECONDS), LONG);
    assert.ok(ours.isWhole, JSON.stringify(ours));
    assert.ok((await world.acted()) > 0, 'the rule has not met it');
  });

  it('a line that is policed by loss carries most of what it may', async () => {
    const wanted = { bytes: SLOW_RATE * 8, seconds: 90 };
    const policy = throttled(SLOW_RATE, world.clientHost);
    await world.enforce(policy);
    const plain = await world.download(null, wanted);
    assert.ok(
      plain.isWhole && plain.bytes / plain.seconds < SLOW_RATE * 1.2,
      `the control is not policed: ${JSON.stringify(plain)}`,
    );
    const ours = await through('adaptive', policy, wanted);
    assert.ok(ours.isWhole, JSON.stringify(ours));
    // Not a figure of speed: only that it is no small part of what plain TCP makes of the same line.
    assert.ok(ours.seconds < plain.seconds * 2, `${ours.seconds} s, plain ${plain.seconds} s`);
  });

  it('the command makes a table of them, names what it leaves out, and leaves no namespace', async () => {
    const scenario = {
      kind: 'matrix',
      title: 'packets',
      policies: ['C21-tcp-443', 'C25-paper'],
      subjects: ['adaptive'],
    };
    const [given, found] = ['scenario.json', 'found.json'].map((name) => join(scratch.path, name));
    const sizes = { adaptiveSessions: 1, otherSessions: 1, survivalBytes: 300_000, benignTimes: 0 };
    await writeFile(String(given), JSON.stringify({ ...scenario, ...sizes }));
    const names = async () => (await runTool('ip', ['netns', 'list'])).out.toString();
    const before = await names();
    const { code, err } = await runTool('node', [
      ROZAN,
      'lab',
      'run',
      String(given),
      '--namespaces',
      '--json',
      String(found),
    ]);
    assert.equal(code, 0, err);
    const { cells, skipped } = JSON.parse(await readFile(String(found), 'utf8'));
    assert.deepEqual(
      cells.map((cell: { policy: string; reached: unknown; survival: { isWhole: boolean } }) => [
        cell.policy,
        cell.reached,
        cell.survival.isWhole,
      ]),
      [['C21-tcp-443', { k: 1, n: 1 }, true]],
    );
    assert.deepEqual(
      skipped.map(({ name }: { name: string }) => name),
      ['C25-paper'],
    );
    assert.equal(await names(), before);
  });

  it('Ctrl-C leaves no namespace and no process', async () => {
    const tools = async (command: string, ...args: string[]) => (await runTool(command, args)).out.toString();
    const before = await tools('ip', 'netns', 'list');
    const args = [ROZAN, 'lab', 'run', 'C21-tcp-443', '--namespaces', '--clients', '1'];
    const run = spawn(process.execPath, [...process.execArgv, ...args], {
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, TMPDIR: scratch.path },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const over = once(run, 'close');
    await once(run.stderr, 'data');
    // As soon as there is a namespace: the run is then in the middle of what it has to undo.
    while ((await tools('ip', 'netns', 'list')) === before) assert.equal(run.exitCode, null);
    run.stderr.resume();
    run.kill('SIGINT');
    assert.deepEqual(await over, [0, null]);
    assert.equal(await tools('ip', 'netns', 'list'), before);
  });

  it('a reset port and a freeze after some packets do not keep the adaptive client', async () => {
    for (const policy of [resetPort(443), frozen(60)]) {
      const ours = await through('adaptive', policy, { bytes: 300_000, seconds: 60 });
      assert.ok(ours.isWhole, `${policy.id}: ${JSON.stringify(ours)}`);
    }
    assert.ok((await world.acted()) > 0);
  });
});
