// A client with a brand is killed at random moments, while lists change and people give it entries.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { formatShareLink, parseServerEntry, signServerEntry } from '@rozan/protocol';
import { type Brand, formatBrand } from '@rozan/publication';
import { startMirror, TestPublisher } from '@rozan/publication/testing';
import { createEnv } from '@rozan/tunnel';
import { SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import { ClientFolder } from '../data-folder.ts';
import { ENTRY_BOUNDS } from '../limits.ts';
import { EntryBook } from './entry-book.ts';

const DAY_MS = 86_400_000;
const KILLS = 8;
const MOST_REQUESTS = 25;
const MOST_LATER_MS = 30;
/** Relays that lists name in turn; beyond are those that people give, and the one of the last list. */
const LISTED = 30;
const LAST = 200;

const env = createEnv({ log: () => {} });
const ISSUED_MS = env.clock.wallMs() - DAY_MS;

function entryOf(relay: number): Buffer {
  const transports = [{ transport: 'opaque', addresses: ['127.0.0.1:1'], params: {} }];
  const keys = { key: Buffer.alloc(32, relay), secret: Buffer.alloc(32, 3) };
  return signServerEntry(
    { ...keys, issuedMs: ISSUED_MS, expiresMs: ISSUED_MS + 30 * DAY_MS, transports },
    Buffer.alloc(32, 1),
  );
}

/** The client's program, with a mirror that it asks all the time. */
function programOf(folder: string, brandFile: string): string {
  const from = (name: string) => JSON.stringify(new URL(name, import.meta.url).href);
  return `
    import { createEnv } from '@rozan/tunnel';
    import { ClientFolder } from ${from('../data-folder.ts')};
    import { findBrand, startWithBrand } from ${from('run-brand.ts')};
    const env = createEnv({ log: ({ event }) => process.stdout.write(event + '\\n') });
    const folder = await ClientFolder.open(${JSON.stringify(folder)});
    const any = { host: '127.0.0.1', port: 0 };
    const brand = await findBrand(folder, ${JSON.stringify(brandFile)});
    const memory = folder.memory;
    await startWithBrand(env, { brand, folder, memory, entrySources: [], socks: any, http: any, refreshMs: [20, 40] });`;
}

async function createScene(context: TestContext) {
  const path = await temporaryFolder(context);
  const publisher = await TestPublisher.create({ nowMs: env.clock.wallMs() });
  const bucket = publisher.random.bytes(32);
  const publish = async (...relays: readonly number[]) => {
    publisher.lists.splice(0, 1, { key: bucket, entries: relays.map(entryOf) });
    await publisher.publish();
  };
  const watch = { requests: 0, heard: () => {} };
  const mirror = await startMirror(publisher.storage, (_name, bytes) => {
    watch.requests += 1;
    watch.heard();
    return bytes;
  });
  context.after(() => mirror[Symbol.asyncDispose]());
  const brand: Brand = {
    ...{ network: 'test', channel: 'test', partner: null, root: await publisher.rootBytes(), bucket },
    entryKey: parseServerEntry(entryOf(1)).entry.signer,
    entries: [1, 2, 3].map((relay) => formatShareLink(entryOf(relay))),
    ...{ tacticsKeys: [], mirrors: [mirror.url], homes: new Map(), partnerKeys: new Map(), feedback: [] },
  };
  const brandFile = join(path, 'given.json');
  await writeFile(brandFile, formatBrand(brand));
  const folder = await ClientFolder.open(join(path, 'client'));
  const program = programOf(join(path, 'client'), brandFile);
  const start = (): ChildProcess => {
    const arguments_ = ['--input-type=module', '--eval', program];
    const child = spawn(process.execPath, arguments_, { stdio: ['ignore', 'pipe', 'inherit'] });
    context.after(() => child.kill('SIGKILL'));
    return child;
  };
  /** Resolves with so many requests from now on. */
  const requests = async (count: number) => {
    const until = watch.requests + count;
    while (watch.requests < until) {
      await new Promise<void>((resolve) => {
        watch.heard = resolve;
      });
    }
  };
  return { publish, folder, start, requests };
}

async function kill(child: ChildProcess): Promise<void> {
  assert.equal(child.exitCode, null, 'it has not been able to start');
  child.kill('SIGKILL');
  const [, signal] = await once(child, 'exit');
  assert.equal(signal, 'SIGKILL');
}

async function readBook({ book }: ClientFolder): Promise<EntryBook> {
  const text = await book.read();
  if (text !== null) JSON.parse(text);
  return EntryBook.parse(text ?? '');
}

test('a client that is killed at any moment starts again, loses nothing that it was given, and follows the lists', {
  timeout: 120_000,
}, async (context) => {
  const { publish, folder, start, requests } = await createScene(context);
  const random = new SeededRandom(11);
  const given: string[] = [];
  let version = 0;
  let mostKnown = 0;
  const publishNext = () => {
    version += 1;
    return publish(...Array.from({ length: 6 }, (_, index) => 1 + ((version + index) % LISTED)));
  };
  await publishNext();
  for (let count = 0; count < KILLS; count += 1) {
    const link = formatShareLink(entryOf(100 + count));
    given.push(link);
    await folder.addLinks(env, [link]);
    const child = start();
    let publishing = Promise.resolve();
    child.stdout?.on('data', (text: Buffer) => {
      if (String(text).includes('publication.refreshed')) publishing = publishing.then(publishNext);
    });
    await requests(1 + Math.floor(random.fraction() * MOST_REQUESTS));
    await once(AbortSignal.timeout(Math.floor(random.fraction() * MOST_LATER_MS)), 'abort');
    await kill(child);
    await publishing;
    const book = await readBook(folder);
    const waiting = (await folder.addedFiles()).flatMap(({ links }) => links);
    const has = (one: string) => waiting.includes(one) || book.linked.some((known) => known.link === one);
    assert.ok(given.every(has), 'an entry that a person gave is lost');
    mostKnown = Math.max(mostKnown, book.size);
    assert.ok(book.size >= Math.min(mostKnown, ENTRY_BOUNDS.least));
  }
  assert.ok(version > 1, 'no list was taken');
  await publish(LAST);
  const child = start();
  const last = formatShareLink(entryOf(LAST));
  for (let isKnown = false; !isKnown; ) {
    await requests(1);
    isKnown = (await readBook(folder)).linked.some(({ link }) => link === last);
  }
  await kill(child);
});
