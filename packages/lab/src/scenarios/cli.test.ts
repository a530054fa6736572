import assert from 'node:assert/strict';
import { chmod, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { startOrigin } from '../testing/origin.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { initRelay } from '../testing/relay-network.ts';
import { createScratchFolder, type ScratchFolder } from '../world.ts';

const LISTEN = ['--listen', 'opaque=127.0.0.1:0'];
/** Each draws a key of its own, so none shares params with another. */
const NINE_WAYS = Array.from({ length: 9 }, () => ['--listen', 'opaque=127.0.0.1:0,prefix=http']).flat();

/** A mistake, and what is said of it on standard error. */
interface Mistake {
  readonly args: readonly string[];
  readonly code: number;
  readonly says: RegExp;
  readonly input?: string;
}

/** Makes the mistakes a few at a time: nothing on standard output, no stack trace, the right words and code. */
async function expectRefusals(mistakes: readonly Mistake[]): Promise<void> {
  const waiting = [...mistakes];
  const work = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const { args, code, says, input = '' } = next;
      const result = await runRozan(args, { input });
      const name = `rozan ${args.join(' ')}\n${result.err}`;
      assert.equal(result.code, code, name);
      assert.match(result.err, says, name);
      assert.equal(result.out, '', name);
      assert.doesNotMatch(result.err, /\n\s+at /, name);
    }
  };
  await Promise.all([work(), work()]);
}

describe('the command line', () => {
  let scratch: ScratchFolder;
  let relay: string;
  let link: string;
  const path = (name: string) => join(scratch.path, name);

  before(async () => {
    scratch = await createScratchFolder();
    relay = path('relay');
    link = await initRelay(relay);
  });

  after(() => scratch[Symbol.asyncDispose]());

  it('relay init: says what is wrong with its options, and makes nothing', async () => {
    const init = (...args: string[]) => ['relay', 'init', '--data', path('new'), ...args];
    await expectRefusals([
      { args: init(), code: 2, says: /--listen <transport=host:port>' not specified/ },
      { args: ['relay', 'init', ...LISTEN], code: 2, says: /--data DIR/ },
      { args: init('--listen', '127.0.0.1:0'), code: 2, says: /TRANSPORT=HOST:PORT; the transports are: opaque/ },
      { args: init('--listen', 'unheard-of=127.0.0.1:0'), code: 2, says: /the transports are: opaque/ },
      { args: init('--listen', 'opaque=127.0.0.1'), code: 2, says: /--listen: an address reads like/ },
      { args: init('--listen', 'opaque=localhost:0'), code: 2, says: /--listen: an address reads like/ },
      { args: init('--listen', 'opaque=203.0.113.7:0'), code: 3, says: /cannot listen at 203\.0\.113\.7:0/ },
      { args: init('--listen', 'opaque=0.0.0.0:0'), code: 2, says: /--address/ },
      { args: init(...LISTEN, '--address', 'nonsense'), code: 2, says: /--address reads TRANSPORT=HOST:PORT/ },
      { args: init(...LISTEN, '--address', 'opaque=nonsense'), code: 2, says: /--address/ },
      { args: init(...NINE_WAYS), code: 2, says: /an entry has room for 8 ways to listen/ },
      { args: init(...LISTEN, '--channel', 'a b'), code: 2, says: /--channel takes/ },
      { args: init(...LISTEN, '--unheard-of'), code: 2, says: /unknown option '--unheard-of'/ },
    ]);
    assert.deepEqual(await readdir(scratch.path), ['relay']);
  });

  it('relay init: keeps a relay that is there already', async () => {
    const args = ['relay', 'init', '--data', relay, ...LISTEN];
    await expectRefusals([{ args, code: 4, says: /there is a relay in .* already\nrun it with/ }]);
    const entry = await runRozan(['relay', 'entry', '--data', relay]);
    assert.equal(entry.code, 0);
    assert.match(entry.out, /^rozan:\/\/\S+\n$/);
  });

  it('a folder without a relay: every command says so, and leaves nothing in it', async () => {
    await mkdir(path('empty'), { mode: 0o700 });
    const says = /there is no relay in .*\nmake one with "rozan relay init/;
    await expectRefusals(
      [[], ['entry'], ['status'], ['drain']].map((command) => ({
        args: ['relay', ...command, '--data', path('empty')],
        code: 4,
        says,
      })),
    );
    await expectRefusals([{ args: ['relay', '--data', path('missing')], code: 4, says }]);
    assert.deepEqual(await readdir(path('empty')), []);
  });

  it('relay: says what is wrong with its options', async () => {
    const run = (...args: string[]) => ['relay', '--data', relay, ...args];
    await expectRefusals([
      { args: ['relay'], code: 2, says: /--data DIR/ },
      { args: run('--metrics', '0.0.0.0:0'), code: 2, says: /--metrics takes a loopback address/ },
      { args: run('--egress-allow', 'nonsense'), code: 2, says: /--egress-allow takes a network/ },
      { args: run('--dns', 'nonsense'), code: 2, says: /--dns takes the address of a name server/ },
      { args: run('more'), code: 2, says: /too many arguments/ },
      { args: ['relay', 'entry', '--data', relay, '--channel', 'unheard-of'], code: 1, says: /no channel named/ },
      { args: ['unheard-of'], code: 2, says: /there is no command 'unheard-of'/ },
    ]);
  });

  it('a relay that runs: no second one on its folder, and none on its port', async () => {
    await using running = await startProgram(['relay', '--data', relay]);
    const listen: unknown = running.ready.listen;
    assert.ok(typeof listen === 'object' && listen !== null && 'opaque' in listen);
    const place = String(listen.opaque);
    const metrics = running.text('metrics');
    const { code } = await runRozan(['relay', 'init', '--data', path('same-port'), '--listen', `opaque=${place}`]);
    assert.equal(code, 0);
    await initRelay(path('same-metrics'));
    const other = ['relay', '--data', path('same-metrics'), '--metrics', metrics];
    await expectRefusals([
      { args: ['relay', '--data', relay], code: 4, says: /another relay runs on .*\nstop that relay first/ },
      { args: ['relay', 'init', '--data', relay, ...LISTEN], code: 4, says: /another relay runs on|already/ },
      { args: ['relay', '--data', path('same-port')], code: 3, says: new RegExp(`cannot listen at ${place}`) },
      { args: other, code: 3, says: new RegExp(`cannot serve metrics at ${metrics}\nChoose another port`) },
    ]);
    const status = await runRozan(['relay', 'status', '--data', relay, '--json']);
    assert.equal(JSON.parse(status.out).sessions, 0);
    await running.stop();
    for (const command of ['status', 'drain']) {
      const args = ['relay', command, '--data', relay];
      await expectRefusals([{ args, code: 1, says: /no relay runs on this folder\nstart it with/ }]);
    }
  });

  it('a relay that was killed does not keep its folder', async () => {
    const folder = path('killed');
    await initRelay(folder);
    await using first = await startProgram(['relay', '--data', folder]);
    await first.stop('SIGKILL');
    await using second = await startProgram(['relay', '--data', folder]);
    const status = await runRozan(['relay', 'status', '--data', folder]);
    assert.equal(status.code, 0, status.err);
    await second.stop();
  });

  it('a folder or file that others can read: refused, with the command that mends it', async () => {
    const folder = path('open');
    await initRelay(folder);
    const config = join(folder, 'relay.json');
    for (const [place, openMode, mode] of [
      [folder, 0o755, '700'],
      [config, 0o644, '600'],
    ] as const) {
      await chmod(place, openMode);
      const says = new RegExp(`other users of this machine can read ${place}\nchmod ${mode} ${place}`);
      await expectRefusals([
        { args: ['relay', '--data', folder], code: 4, says },
        { args: ['relay', 'entry', '--data', folder], code: 4, says },
      ]);
      await chmod(place, Number.parseInt(mode, 8));
    }
    await using mended = await startProgram(['relay', '--data', folder]);
    await mended.stop();
  });

  it('a relay.json that is broken, or of a later version: refused', async () => {
    const folder = path('broken');
    await initRelay(folder);
    const args = ['relay', '--data', folder];
    for (const [text, says] of [
      ['{', /relay\.json: .*\nrestore the file from a backup/],
      ['{"version":99}', /written by a later version\nupdate this relay/],
    ] as const) {
      await writeFile(join(folder, 'relay.json'), text);
      await expectRefusals([{ args, code: 4, says }]);
    }
  });

  it('client: says what is wrong with entries and ports', async () => {
    await using taken = await startOrigin((conn) => conn.end());
    const port = `127.0.0.1:${taken.port}`;
    await writeFile(path('entry'), link);
    await writeFile(path('text'), 'good morning\n');
    const client = (entry: string, ...args: string[]) => ['client', '--entry', entry, ...args];
    const again = /A server entry is a rozan:\/\/ link\. Copy it again/;
    await expectRefusals([
      { args: ['client'], code: 2, says: /a client needs a server entry/ },
      { args: client(path('missing')), code: 2, says: /could not be read/ },
      { args: client(path('text')), code: 2, says: again },
      { args: client('-'), code: 2, says: again },
      { args: client('-'), code: 2, says: again, input: link.slice(0, -5) },
      { args: client('-'), code: 2, says: again, input: link.replace(/.{3}$/, 'AAA') },
      { args: client('rozan://AAAA', '--json'), code: 2, says: again },
      { args: client(path('entry'), '--socks', '127.0.0.1'), code: 2, says: /--socks: an address reads like/ },
      { args: client(path('entry'), '--socks', port), code: 3, says: /SOCKS proxy cannot listen .*another program/ },
      { args: client(path('entry'), '--carriers', '9'), code: 2, says: /--carriers takes a whole number from 1 to 8/ },
      { args: client(path('entry'), '--carriers-per-address', '0'), code: 2, says: /whole number of at least 1/ },
      { args: client(path('entry'), '--rotate-after', '-1'), code: 2, says: /--rotate-after takes a number above 0/ },
    ]);
  });

  it('client: waits for its relay for as long as it takes, and ends when it is told to', async () => {
    const args = ['client', '--entry', '-', '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0'];
    const { code, out, err } = await runRozan(args, { input: link, stopAt: 'Connecting' });
    assert.equal(code, 0, err);
    assert.match(out, /^SOCKS proxy: 127\.0\.0\.1:\d+\nHTTP proxy: {2}127\.0\.0\.1:\d+\nConnecting/);
    const starting = startProgram(args, { input: link });
    await using running = await startProgram(['relay', '--data', relay]);
    await using client = await starting;
    assert.match(client.text('socks'), /^127\.0\.0\.1:[1-9]\d*$/);
    await client.stop();
    await running.stop();
  });
});
