import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { runRozan, startProgram } from '../testing/program.ts';
import { initRelay, startRelayNetwork } from '../testing/relay-network.ts';

const PROXIES = ['--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rozan-test-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

describe('a client that looks for a way', () => {
  it('says what it tries and why that fails, to a person and to a program', async () => {
    await inFolder(async (folder) => {
      const input = await initRelay(join(folder, 'relay'));
      const args = ['client', '--entry', '-', ...PROXIES, '--explain'];
      const told = await runRozan(args, { input, stopAt: 'It goes on.' });
      assert.equal(told.code, 0, told.err);
      assert.match(told.out, /Trying 1 of 1 way …/);
      assert.match(told.out, /1 × opaque, at 1 relay: No connection to the relay: it was refused\./);
      assert.match(told.out, /None of 1 way has worked so far/);
      const json = await runRozan([...args, '--json'], { input, stopAt: 'establish.over' });
      const lines = json.out
        .trim()
        .split('\n')
        .map((line): { event: string; code?: string } => JSON.parse(line));
      const failure = lines.find(({ event }) => event === 'establish.failures');
      assert.equal(failure?.code, 'refused');
      assert.ok(!lines.some(({ event }) => event === 'ready'));
    });
  });

  it('goes through an upstream proxy, and keeps what worked in a file of its own', async () => {
    await using network = await startRelayNetwork({ egressAllow: ['127.0.0.1/32'] });
    await inFolder(async (folder) => {
      const upstream = join(folder, 'upstream');
      await writeFile(upstream, `http://${network.client.text('http')}\n`);
      const input = network.relays.map(({ link }) => link).join('\n');
      const data = join(folder, 'data');
      for (const proxy of [upstream, `socks5://${network.client.text('socks')}`]) {
        const args = ['client', '--entry', '-', ...PROXIES, '--data', data, '--upstream-proxy', proxy];
        await using through = await startProgram(args, { input });
        assert.equal(through.ready.event, 'ready');
      }
      const ways = join(data, 'ways.json');
      assert.equal((await stat(ways)).mode & 0o777, 0o600);
      assert.ok(!/127\.0\.0\.1|opaque/.test(await readFile(ways, 'utf8')));
    });
  });

  it('says so when the upstream proxy is none', async () => {
    await inFolder(async (folder) => {
      const input = await initRelay(join(folder, 'relay'));
      const args = ['client', '--entry', '-', ...PROXIES, '--explain', '--upstream-proxy', 'socks5://127.0.0.1:1'];
      const told = await runRozan(args, { input, stopAt: 'It goes on.' });
      assert.match(told.out, /the upstream proxy cannot be reached, or is not one of that kind/);
      const wrong = await runRozan(['client', '--entry', '-', '--upstream-proxy', 'ftp://u:secret@h'], { input });
      assert.equal(wrong.code, 2);
      assert.ok(!`${wrong.out}${wrong.err}`.includes('secret'));
    });
  });
});
