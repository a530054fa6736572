import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { startCutNetwork } from '../testing/cut-network.ts';
import { type Program, runRozan, startProgram } from '../testing/program.ts';
import { createScratchFolder } from '../world.ts';

const CUT_MS = 5000;
const PROXIES = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
/** Three cuts, and what lies between. */
const LEARNING_MS = 60_000;

interface Desk {
  readonly path: (name: string) => string;
  readonly publicKey: string;
  /** Signs one rule for Iran; gives the digest. */
  sign(name: string, set: object): Promise<string>;
}

/** Where those who run a network sign their tactics. */
async function openDesk(folder: string): Promise<Desk> {
  const path = (name: string) => join(folder, name);
  const run = async (...args: readonly string[]) => {
    const { code, out, err } = await runRozan(['tactics', ...args, '--signing-key', path('key'), '--json']);
    assert.equal(code, 0, err);
    return JSON.parse(out);
  };
  const { publicKey } = await run('keygen');
  assert.equal((await stat(path('key'))).mode & 0o777, 0o600);
  return {
    ...{ path, publicKey },
    sign: async (name, set) => {
      await writeFile(path('rules'), JSON.stringify({ rules: [{ id: 'ir', when: { country: ['IR'] }, set }] }));
      return (await run('sign', path('rules'), '--out', path(name))).digest;
    },
  };
}

const losses = (client: Program, cause: string) =>
  client.events.filter((event) => event.event === 'carrier.lost' && event.cause === cause);

describe('tactics', () => {
  it('have a client replace its first carrier in time, where another learns from the first cuts', async () => {
    await using folder = await createScratchFolder();
    const desk = await openDesk(folder.path);
    const digest = await desk.sign('tactics', { cutAfterMs: CUT_MS });
    await using network = await startCutNetwork({ egressAllow: '127.0.0.1/32', cutAfterMs: CUT_MS });
    const options = ['--tactics', desk.path('tactics'), '--tactics-key', desk.publicKey, '--country', 'IR'];
    await using told = await startProgram(['client', '--entry', '-', ...PROXIES, ...options], { input: network.link });
    const tactics = await told.waitForEvent(({ event }) => event === 'tactics');
    assert.deepEqual(
      { ...tactics },
      { event: 'tactics', digest, rule: 'ir', validity: 'valid', set: { cutAfterMs: CUT_MS } },
    );
    const learnt = await network.client.waitForEvent(
      ({ event, cutAfterMs }) => event === 'carriers.adapted' && cutAfterMs !== null,
      { withinMs: LEARNING_MS },
    );
    assert.ok(Number(learnt.cutAfterMs) <= CUT_MS);
    assert.ok(losses(network.client, 'reset').length >= 3, 'it has learnt from cuts');
    await told.waitForEvent((event) => event.event === 'carrier.lost' && event.carrier === 3, {
      withinMs: LEARNING_MS,
    });
    const first = told.events.find(({ event }) => event === 'carrier.lost');
    assert.deepEqual([first?.carrier, first?.cause], [0, 'retired']);
    assert.ok(Number(first?.ageMs) < CUT_MS);
    // One may be a canary.
    assert.ok(losses(told, 'reset').length <= 1);
  });

  it('are kept over kill -9, and an older, foreign or broken file changes nothing', async () => {
    await using folder = await createScratchFolder();
    const desk = await openDesk(folder.path);
    await desk.sign('tactics', { cutAfterMs: 4000 });
    const older = await readFile(desk.path('tactics'));
    const digest = await desk.sign('tactics', { cutAfterMs: 50_000 });
    await using network = await startCutNetwork({ egressAllow: '127.0.0.1/32', cutAfterMs: 0 });
    const places = ['--data', desk.path('data'), '--tactics', desk.path('tactics'), '--tactics-key', desk.publicKey];
    const start = () =>
      startProgram(['client', '--entry', '-', ...PROXIES, ...places, '--country', 'ir'], { input: network.link });
    {
      await using client = await start();
      await client.waitForEvent((event) => event.event === 'tactics' && event.digest === digest);
      await client.stop('SIGKILL');
    }
    assert.equal((await stat(join(desk.path('data'), 'tactics.json'))).mode & 0o777, 0o600);
    const foreign = Buffer.from(older);
    foreign.writeUInt8(foreign.readUInt8(80) ^ 1, 80);
    for (const [file, code] of [
      [older, 'older'],
      [foreign, 'not-authentic'],
      [Buffer.from('{}'), 'unsupported'],
    ] as const) {
      await writeFile(desk.path('tactics'), file);
      await using client = await start();
      const refused = await client.waitForEvent(({ event }) => event === 'tactics.refused');
      assert.deepEqual({ ...refused }, { event: 'tactics.refused', code, kept: digest });
      const tactics = await client.waitForEvent(({ event }) => event === 'tactics');
      assert.deepEqual(tactics.set, { cutAfterMs: 50_000 });
    }
  });

  it('are told in plain words to who wants to know, with what is to be done when they are bad', async () => {
    await using folder = await createScratchFolder();
    const desk = await openDesk(folder.path);
    await desk.sign('tactics', { cutAfterMs: 60_000 });
    await using network = await startCutNetwork({ egressAllow: '127.0.0.1/32', cutAfterMs: 0 });
    const client = (file: string) => {
      const places = ['--tactics', file, '--tactics-key', desk.publicKey, '--country', 'IR', '--explain'];
      return runRozan(['client', '--entry', '-', ...PROXIES, ...places], { input: network.link, stopAt: 'Connected' });
    };
    const good = await client(desk.path('tactics'));
    assert.match(good.out, /Rule ir is for this client\. Connections are cut after 60 s; they are replaced before\./);
    const bad = await client(desk.path('rules'));
    assert.equal(bad.code, 0, bad.err);
    assert.match(bad.out, /tactics were not taken \(unsupported\)\. .* The client goes on without\./);
  });
});

describe('rozan tactics', () => {
  it('says which rule would apply, and what is wrong with a file', async () => {
    await using folder = await createScratchFolder();
    const desk = await openDesk(folder.path);
    await desk.sign('tactics', { cutAfterMs: 60_000, avoid: [{ transport: 'opaque', params: { prefix: null } }] });
    const check = (...args: readonly string[]) => runRozan(['tactics', 'check', desk.path('tactics'), ...args]);
    const key = ['--tactics-key', desk.publicKey];
    assert.match((await check(...key, '--country', 'IR')).out, /^ir: applies$/m);
    assert.match((await check(...key)).out, /ir: does not fit: the country is not known .*\nNo rule applies\./s);
    const json = await check(...key, '--country', 'NL', '--json');
    assert.deepEqual(JSON.parse(json.out).rules, [{ id: 'ir', misfits: ['country'], share: 0 }]);
    assert.equal((await check()).code, 2);
    assert.equal((await check('--tactics-key', Buffer.alloc(32, 9).toString('base64url'))).code, 2);
    const shown = await runRozan(['tactics', 'show', desk.path('tactics')]);
    assert.match(shown.out, /Tried only when nothing else works: opaque with no prefix\./);
    await assert.rejects(desk.sign('other', { cutAfter: 1 }), /"rules" 1\. "set" "cutAfter" means nothing/);
    await assert.rejects(desk.sign('other', { cutAfterMs: 1 }), /rule 1 \(ir\).*not from 3000 to 3600000/);
  });
});
