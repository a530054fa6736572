// A network as operators run one: relays that enrol, a control plane that publishes, clients that start from a brand file.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type BrandClient, createBrandClient } from '@rozan/client';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { parseBrand } from '@rozan/publication';
import { createEnv, formatAddress, type LogEvent } from '@rozan/tunnel';
import { admitRelay } from '../demo/admit-relay.ts';
import { createDemoMirror } from '../demo/mirror.ts';
import { startOperators } from '../demo/operators.ts';
import { createDemoSite, type DemoSite } from '../demo/site.ts';
import { createScratchFolder, ruleFor, startClient } from '../world.ts';

const ANY = { host: '127.0.0.1', port: 0 };
const BACK_MS = 120_000;
/** Instead of a minute. */
const OFTEN_MS = 400;

/** What happens, for whoever waits for it. */
class Diary {
  readonly events: LogEvent[] = [];
  #heard: () => void = () => {};

  readonly log = (event: LogEvent): void => {
    this.events.push(event);
    this.#heard();
  };

  /** Resolves with the first event from now on for which `isIt` says so. */
  async next(isIt: (event: LogEvent) => boolean): Promise<LogEvent> {
    const from = this.events.length;
    for (;;) {
      const found = this.events.slice(from).find(isIt);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }
}

/** Looks again and again: files and databases tell nobody. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await once(AbortSignal.timeout(50), 'abort');
}

async function startNetwork(context: TestContext) {
  const stack = new AsyncDisposableStack();
  context.after(() => stack.disposeAsync());
  const { path } = stack.use(await createScratchFolder());
  const env = createEnv({ log: () => {} });
  const site = stack.use(await createDemoSite(env));
  const operators = stack.use(await startOperators(env, { folder: path, listen: ANY }));
  const mirror = stack.use(await createDemoMirror(env, operators.mirrorFolder));
  await operators.describeNetwork({ mirrors: [mirror.url] });
  const egressAllow = [ruleFor(site.address), ruleFor(mirror.address)];
  return {
    ...{ env, path, site, operators, mirror, stack },
    admit: async (name: string) =>
      stack.use(await admitRelay(env, { operators, name, folder: join(path, name), egressAllow, reportMs: OFTEN_MS })),
    brand: async (entries: number) => parseBrand(await readFile(await operators.brandFile(entries))),
  };
}

/** Fetches the site's page through a client, trying until it comes. */
async function fetchPage(client: BrandClient, { address }: DemoSite): Promise<void> {
  const patience = AbortSignal.timeout(BACK_MS);
  for (;;) {
    patience.throwIfAborted();
    try {
      const stream = await client.pool.open(address, { signal: patience });
      stream.on('error', () => {});
      stream.write('GET / HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\n');
      const [chunk] = await once(stream, 'data', { signal: patience });
      assert.match(String(chunk), /^HTTP\/1\.1 200 /);
      stream.destroy();
      return;
    } catch (error) {
      if (error instanceof assert.AssertionError) throw error;
    }
  }
}

test('a client whose relays are all blocked comes back through a mirror, and through an entry pasted by hand when mirrors are blocked too', {
  timeout: 300_000,
}, async (context) => {
  const network = await startNetwork(context);
  const first = await network.admit('one');
  const brand = await network.brand(1);
  const diary = new Diary();
  let book: string | null = null;
  const client = network.stack.use(
    await createBrandClient(
      {
        ...{ brand, socks: ANY, http: ANY, refreshMs: [OFTEN_MS, 2 * OFTEN_MS] },
        publicationFolder: join(network.path, 'client', 'publication'),
        book: {
          read: async () => book,
          write: async (text) => {
            book = text;
          },
        },
      },
      createEnv({ log: diary.log }),
    ),
  );
  await fetchPage(client, network.site);

  const startMs = performance.now();
  const isKnown = diary.next(({ event, added }) => event === 'entries.changed' && added === 1);
  const second = await network.admit('two');
  const admittedMs = performance.now();
  await isKnown;
  context.diagnostic(
    `a relay was admitted in ${((admittedMs - startMs) / 1000).toFixed(1)} s, and known to the client ${((performance.now() - admittedMs) / 1000).toFixed(1)} s later`,
  );

  await first[Symbol.asyncDispose]();
  await fetchPage(client, network.site);
  await second[Symbol.asyncDispose]();
  await network.admit('three');
  await fetchPage(client, network.site);
  assert.ok(diary.events.some(({ event }) => event === 'publication.refreshed'));

  // The other relays retire as far as the publication goes, and nobody can be asked any more.
  await network.mirror[Symbol.asyncDispose]();
  const third = network.operators.ask('POST', '/relays/three/drain');
  await third;
  const fourth = await network.admit('four');
  const link = await network.operators.entryLink('four');
  await client.addEntries([link]);
  assert.ok(String(book).includes(link), 'it is kept for the next start');
  await fetchPage(client, network.site);
  await fourth[Symbol.asyncDispose]();
});

test('a client whose brand holds no entry gets some from a mirror, and keeps them', {
  timeout: 200_000,
}, async (context) => {
  const network = await startNetwork(context);
  await network.admit('one');
  const brand = { ...(await network.brand(1)), entries: [] };
  let book: string | null = null;
  const start = (mirrors: readonly string[]) =>
    createBrandClient(
      {
        ...{ brand: { ...brand, mirrors }, socks: ANY, http: ANY },
        publicationFolder: join(network.path, 'client', 'publication'),
        book: {
          read: async () => book,
          write: async (text) => {
            book = text;
          },
        },
      },
      network.env,
    );
  {
    await using client = await start(brand.mirrors);
    await fetchPage(client, network.site);
  }
  await using again = await start([]);
  await fetchPage(again, network.site);
});

test('a relay reports, and is what the control plane tells it to be', { timeout: 200_000 }, async (context) => {
  const network = await startNetwork(context);
  const { operators } = network;
  const relay = await network.admit('one');
  const shown = async () => Object(await operators.ask('GET', '/relays/one'));
  await until(async () => (await shown()).report !== null);
  const { report, isSilent } = await shown();
  assert.equal(isSilent, false);
  assert.equal(report.isDraining, false);
  assert.ok(report.memoryBytes > 1_000_000);

  const before = await operators.entryLink('one');
  await operators.ask('POST', '/relays/one/channels/default/secret', { keepHours: 0 });
  const after = await operators.entryLink('one');
  assert.notEqual(before, after);
  const entryOf = (link: string) => parseServerEntry(parseShareLink(link)).entry;
  await using client = await startClient(network.env, { entries: [entryOf(after)] });
  await client.ready(AbortSignal.timeout(BACK_MS));
  await using old = await startClient(network.env, { entries: [entryOf(before)] });
  await assert.rejects(old.ready(AbortSignal.timeout(2000)));

  await operators.ask('POST', '/relays/one/drain');
  await until(async () => relay.relay.status().draining);
  await operators.ask('POST', '/relays/one/serve');
  await until(async () => !relay.relay.status().draining);
});

test('a relay renews an old credential, goes on with the new one, and is told when it is retired', {
  timeout: 200_000,
}, async (context) => {
  const { operators, admit, path } = await startNetwork(context);
  const first = await admit('one');
  await first[Symbol.asyncDispose]();
  const kept = async (name: string) => JSON.parse(await readFile(join(path, 'one', name), 'utf8'));
  const old = await kept('enrolment.json');
  await writeFile(join(path, 'one', 'enrolment.json'), JSON.stringify({ ...old, since: 0 }));
  const relay = await admit('one');
  await until(async () => (await kept('enrolment.json')).credential !== old.credential);
  const { credential, former } = await kept('enrolment.json');
  assert.equal(former, old.credential);
  const statusOf = async (bearer: string) => {
    const headers = { authorization: `Bearer ${bearer}` };
    return (await fetch(`http://${formatAddress(operators.control.address)}/relays/self/settings`, { headers })).status;
  };
  // With its next report.
  await until(async () => (await statusOf(former)) === 401);
  assert.equal(await statusOf(credential), 200);
  await operators.ask('POST', '/relays/one/drain');
  await operators.ask('POST', '/relays/one/retire');
  await until(async () => (await kept('settings.json')).state === 'retired');
  await until(async () => relay.relay.status().draining);
  assert.equal(await statusOf(credential), 200);
});
