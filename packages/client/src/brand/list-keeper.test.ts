import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { type TestContext, test } from 'node:test';
import { formatShareLink, parseServerEntry, signServerEntry } from '@rozan/protocol';
import { createMemoryStorage, PublicationError } from '@rozan/publication';
import { dialLoopback, type Lie, startMirror, TestPublisher } from '@rozan/publication/testing';
import { createEnv, type Env, type LogEvent } from '@rozan/tunnel';
import { ENTRY_BOUNDS, FIRST_LOOK_MS, LIST_REFRESH_MS } from '../limits.ts';
import { ListKeeper, type ListKeeperOptions } from './list-keeper.ts';

const DAY_MS = 86_400_000;
const ENTRY_SEED = Buffer.alloc(32, 1);

function entryOf(relay: number, nowMs: number, seed: Buffer = ENTRY_SEED): Buffer {
  const fields = {
    key: Buffer.alloc(32, relay),
    secret: Buffer.alloc(32, 3),
    issuedMs: nowMs,
    expiresMs: nowMs + 30 * DAY_MS,
    transports: [{ transport: 'opaque', addresses: ['192.0.2.1:443'], params: {} }],
  };
  return signServerEntry(fields, seed);
}

const relaysOf = (keeper: ListKeeper) => keeper.entries.map(({ key }) => key[0]).toSorted();

/** A publication with a list, a client that knows of relays 1, 2 and 3 by its brand, and a mirror that may lie. */
async function createScene(context: TestContext) {
  const publisher = await TestPublisher.create();
  const nowMs = publisher.clock.wallMs();
  const bucket = publisher.random.bytes(32);
  const publish = async (...relays: readonly number[]) => {
    publisher.lists.splice(0, 1, { key: bucket, entries: relays.map((relay) => entryOf(relay, nowMs)) });
    await publisher.publish();
  };
  const book = { text: null as string | null };
  const events: LogEvent[] = [];
  const { clock, random } = publisher;
  const env: Env = { ...createEnv({ log: (event) => events.push(event) }), clock, random };
  const scene = { lie: ((_name, bytes) => bytes) as Lie };
  const mirror = await startMirror(publisher.storage, (...asked) => scene.lie(...asked));
  context.after(() => mirror[Symbol.asyncDispose]());
  const storage = createMemoryStorage(clock);
  const brand: ListKeeperOptions['brand'] = {
    ...{ network: 'test', channel: 'test', partner: null, root: await publisher.rootBytes(), bucket },
    entryKey: parseServerEntry(entryOf(1, nowMs)).entry.signer,
    entries: [1, 2, 3].map((relay) => formatShareLink(entryOf(relay, nowMs))),
    ...{ tacticsKeys: [], mirrors: [mirror.url], homes: new Map(), partnerKeys: new Map(), feedback: [] },
  };
  const open = async (options: Partial<ListKeeperOptions> = {}) => {
    const store = {
      read: async () => book.text,
      write: async (text: string) => {
        book.text = text;
      },
    };
    const keeper = await ListKeeper.open(env, { brand, storage, book: store, dialMirror: dialLoopback, ...options });
    context.after(() => keeper[Symbol.dispose]());
    return keeper;
  };
  return Object.assign(scene, { publisher, publish, book, events, mirror, open, nowMs });
}

type Scene = Awaited<ReturnType<typeof createScene>>;

/** A client that is up or not, and in use or not; it notes when it was asked for a stream. */
function fakeClient(scene: Scene, state: { isLive: boolean; isUsed: boolean }) {
  const opened: number[] = [];
  const client: Parameters<ListKeeper['follow']>[0] = {
    isLive: () => state.isLive,
    isPaused: () => false,
    streamCount: () => Number(state.isUsed),
    isMetered: () => false,
    open: async () => {
      opened.push(scene.publisher.clock.monotonicMs());
      throw new PublicationError('unavailable', 'not in this test');
    },
    workingTags: () => [],
    setEntries: () => {},
    refreshTactics: async () => {},
    attestedMs: () => null,
  };
  return { client, opened };
}

/** After a lie the client has what it had; after its end it takes what is there, and so does one that is started anew. */
async function assertUnharmed(scene: Scene, keeper: ListKeeper): Promise<void> {
  assert.deepEqual(relaysOf(keeper), [1, 2, 3, 4]);
  assert.deepEqual(relaysOf(await scene.open()), [1, 2, 3, 4]);
  scene.lie = (_name, bytes) => bytes;
  await scene.publish(1, 2, 3, 4, 9);
  await keeper.refresh();
  assert.deepEqual(relaysOf(keeper), [1, 2, 3, 4, 9]);
  assert.deepEqual(relaysOf(await scene.open()), [1, 2, 3, 4, 9]);
}

async function followFirst(scene: Scene): Promise<ListKeeper> {
  await scene.publish(1, 2, 3, 4);
  const keeper = await scene.open();
  await keeper.refresh();
  assert.deepEqual(relaysOf(keeper), [1, 2, 3, 4]);
  return keeper;
}

test('a mirror that changes what it serves', async (context) => {
  const scene = await createScene(context);
  const keeper = await followFirst(scene);
  await scene.publish(5, 6, 7);
  scene.lie = (_name, bytes) => {
    const other = Buffer.from(bytes ?? []);
    other[other.length >> 1] = (other[other.length >> 1] ?? 0) ^ 1;
    return other;
  };
  await assert.rejects(keeper.refresh(), PublicationError);
  await assertUnharmed(scene, keeper);
});

test('a mirror that serves what was current before', async (context) => {
  const scene = await createScene(context);
  const old = new Map<string, Buffer>();
  await scene.publish(7, 8);
  for (const { name } of await scene.publisher.storage.list('')) {
    const bytes = await scene.publisher.storage.read(name);
    if (bytes !== null) old.set(name, bytes);
  }
  const keeper = await followFirst(scene);
  scene.lie = (name) => old.get(name) ?? null;
  await keeper.refresh().catch((error: unknown) => assert.ok(error instanceof PublicationError));
  await assertUnharmed(scene, keeper);
});

test('a mirror that sends without end', async (context) => {
  const scene = await createScene(context);
  const keeper = await followFirst(scene);
  await scene.publish(5, 6, 7);
  let sent = 0;
  scene.lie = (_name, _bytes, response) => {
    const more = () => {
      while (!response.destroyed) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536, 32))) break;
      }
    };
    response.on('drain', more).writeHead(200);
    more();
    return 'handled';
  };
  await assert.rejects(keeper.refresh(), PublicationError);
  assert.ok(sent < 64 * 1024 * 1024);
  await assertUnharmed(scene, keeper);
});

test('a mirror that sends so slowly that it never ends', async (context) => {
  const scene = await createScene(context);
  const keeper = await followFirst(scene);
  await scene.publish(5, 6, 7);
  const hanging = Promise.withResolvers<ServerResponse>();
  scene.lie = (_name, _bytes, response) => {
    response.writeHead(200).write(' ');
    hanging.resolve(response);
    return 'handled';
  };
  let isOver = false;
  const refused = assert.rejects(keeper.refresh(), PublicationError).finally(() => {
    isOver = true;
  });
  await hanging.promise;
  while (!isOver) await scene.publisher.clock.advance(1000);
  await refused;
  await assertUnharmed(scene, keeper);
});

test('entries that another key has signed are left out of a list', async (context) => {
  const scene = await createScene(context);
  const keeper = await followFirst(scene);
  const { lists } = scene.publisher;
  const [list] = lists;
  assert.ok(list);
  const strange = entryOf(66, scene.nowMs, Buffer.alloc(32, 2));
  lists.splice(0, 1, { ...list, entries: [...list.entries, strange, Buffer.from('none')] });
  await scene.publisher.publish();
  await keeper.refresh();
  await assertUnharmed(scene, keeper);
});

test('after a start it looks through the tunnel as soon as there is one, and in the open later', async (context) => {
  const scene = await createScene(context);
  const { clock } = scene.publisher;
  const state = { isLive: false, isUsed: false };
  const inTheOpen: number[] = [];
  const dialMirror = async () => {
    inTheOpen.push(clock.monotonicMs());
    throw new PublicationError('unavailable', 'not in this test');
  };
  const { client, opened } = fakeClient(scene, state);
  const first = await scene.open({ dialMirror });
  first.follow(client);
  await clock.advance(FIRST_LOOK_MS * 2);
  assert.deepEqual([opened, inTheOpen], [[], []]);
  state.isLive = true;
  await clock.advance(FIRST_LOOK_MS);
  assert.ok(opened.length > 0);
  assert.deepEqual(inTheOpen, []);
  first[Symbol.dispose]();

  state.isLive = false;
  const startMs = clock.monotonicMs();
  (await scene.open({ dialMirror })).follow(client);
  await clock.advance(LIST_REFRESH_MS.usual[1] / 4);
  assert.ok((inTheOpen[0] ?? 0) - startMs >= LIST_REFRESH_MS.usual[0] / 4);
});

test('a client that nobody uses looks less often', async (context) => {
  const scene = await createScene(context);
  const { clock } = scene.publisher;
  const state = { isLive: true, isUsed: true };
  const keeper = await scene.open();
  const { client, opened } = fakeClient(scene, state);
  keeper.follow(client);
  const looksIn = async (ms: number) => {
    const before = new Set(opened).size;
    await clock.advance(ms);
    return new Set(opened).size - before;
  };
  const { usual, idle, idleAfterMs } = LIST_REFRESH_MS;
  assert.ok((await looksIn(2 * idleAfterMs)) >= (2 * idleAfterMs) / usual[1]);
  state.isUsed = false;
  await clock.advance(idleAfterMs + usual[1]);
  const most = 10 * Math.ceil(idleAfterMs / idle[0]);
  assert.ok((await looksIn(10 * idleAfterMs)) <= most);
});

test('what is in use makes no room for what a person gives', async (context) => {
  const scene = await createScene(context);
  await scene.publish(...Array.from({ length: ENTRY_BOUNDS.most }, (_, index) => index + 1));
  const keeper = await scene.open();
  await keeper.refresh();
  const [working] = keeper.entries;
  assert.ok(working);
  const { client } = fakeClient(scene, { isLive: true, isUsed: true });
  keeper.follow({ ...client, workingTags: () => [working.tag] });
  const given = Array.from({ length: ENTRY_BOUNDS.most - 1 }, (_, index) => entryOf(150 + index, scene.nowMs));
  assert.equal(await keeper.add(given.map(formatShareLink)), given.length);
  assert.deepEqual(
    keeper.linkedEntries.filter(({ entry }) => (entry.key[0] ?? 0) < 150).map(({ entry }) => entry.tag),
    [working.tag],
  );
});
