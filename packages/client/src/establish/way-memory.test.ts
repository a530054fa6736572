import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { REMEMBER_MS, REMEMBERED_NETWORKS, REMEMBERED_WAYS, SAMPLE_AGE_MS, SAMPLE_ENTRIES } from '../limits.ts';
import { describeThisNetwork } from './network-name.ts';
import { type MemoryStore, parseStored, WayMemory } from './way-memory.ts';

function setUp(seed = 1) {
  const clock = new ManualClock();
  const env = { network: new MemoryNetwork({ clock }), clock, random: new SeededRandom(seed), log: () => {} };
  const world = { text: null as string | null, network: 'home' as string | null };
  const store: MemoryStore = {
    read: async () => world.text,
    write: async (text) => {
      world.text = text;
    },
  };
  const open = (used: MemoryStore | null = store) =>
    WayMemory.open(env, { store: used, describe: async () => world.network });
  return { clock, env, world, open };
}

const way = (number: number) => ({ key: `["tag-${number}","198.51.100.${number}:443"]`, tag: `tag-${number}` });
const tags = (count: number, first = 0) => Array.from({ length: count }, (_, index) => `tag-${first + index}`);

describe('what a client remembers', () => {
  it('is what worked on this network within a day, the last one first, also after a restart', async () => {
    const { clock, world, open } = setUp();
    const memory = await open();
    await memory.noteWorked(way(1));
    await clock.advance(1000);
    await memory.noteWorked(way(2));
    await memory.noteWorked(way(2));
    const after = await open();
    assert.deepEqual(await after.remembered(), [after.wayOf(way(2).key), after.wayOf(way(1).key)]);
    world.network = 'café';
    assert.deepEqual(await after.remembered(), []);
    world.network = null;
    assert.deepEqual(await after.remembered(), []);
    await after.noteWorked(way(3));
    world.network = 'home';
    await clock.advance(REMEMBER_MS - 500);
    assert.deepEqual(await after.remembered(), [after.wayOf(way(2).key)]);
  });

  it('names no relay, no address and no network in its file, and is bounded', async () => {
    const { world, open } = setUp();
    const memory = await open();
    for (let number = 0; number < 40; number += 1) {
      world.network = `network ${number % (REMEMBERED_NETWORKS + 4)}`;
      for (let more = 0; more < REMEMBERED_WAYS + 2; more += 1) await memory.noteWorked(way((number + more) % 250));
    }
    const text = world.text ?? '';
    assert.ok(!/198\.|443|network \d|home/.test(text), text);
    const stored = parseStored(text);
    assert.equal(stored?.networks.length, REMEMBERED_NETWORKS);
    assert.ok(stored.networks.every(({ ways }) => ways.length <= REMEMBERED_WAYS));
  });

  it('is called otherwise in the file of another client', async () => {
    const [one, other] = [setUp(1), setUp(2)];
    for (const { open } of [one, other]) await (await open()).noteWorked(way(1));
    const names = [one, other].map(({ world }) => parseStored(world.text ?? '')?.networks[0]);
    assert.notEqual(names[0]?.name, names[1]?.name);
    assert.notEqual(names[0]?.ways[0]?.way, names[1]?.ways[0]?.way);
  });

  it('is nothing where the file is of somebody else, and stays in memory where it cannot be written', async () => {
    const { open } = setUp();
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => parseStored(text) === null));
    const broken = await open({ read: async () => '{"v":1}', write: () => Promise.reject(new Error('full')) });
    await broken.noteWorked(way(1));
    assert.equal((await broken.remembered()).length, 1);
    const none = await open(null);
    assert.deepEqual(await none.remembered(), []);
  });
});

describe('the sample of entries', () => {
  it('stays the same over restarts for weeks, and is drawn anew then', async () => {
    const { clock, open } = setUp();
    const sample = await (await open()).sample(tags(200));
    assert.equal(sample.size, SAMPLE_ENTRIES);
    await clock.advance(SAMPLE_AGE_MS - 1000);
    assert.deepEqual(await (await open()).sample(tags(200)), sample);
    await clock.advance(2000);
    assert.notDeepEqual(await (await open()).sample(tags(200)), sample);
  });

  it('differs between clients', async () => {
    const [one, other] = [setUp(1), setUp(2)];
    assert.notDeepEqual(await (await one.open()).sample(tags(200)), await (await other.open()).sample(tags(200)));
  });

  it('keeps what is still there when entries go, and fills up', async () => {
    const { open } = setUp();
    const memory = await open();
    const before = await memory.sample(tags(200));
    const gone = [...before][0] ?? '';
    const after = await memory.sample(tags(200).filter((tag) => tag !== gone));
    assert.equal(after.size, SAMPLE_ENTRIES);
    assert.equal([...after].filter((tag) => before.has(tag)).length, SAMPLE_ENTRIES - 1);
  });

  it('is all there are when there are few', async () => {
    const { world, open } = setUp();
    assert.deepEqual(await (await open()).sample(tags(5)), new Set(tags(5)));
    assert.equal(world.text, null);
  });

  it('takes in what worked outside of it', async () => {
    const { open } = setUp();
    const memory = await open();
    const before = await memory.sample(tags(200));
    const outside = tags(200).findIndex((tag) => !before.has(tag));
    await memory.noteWorked(way(outside));
    const after = await memory.sample(tags(200));
    assert.ok(after.has(`tag-${outside}`));
    assert.equal(after.size, SAMPLE_ENTRIES);
  });
});

it('a network is described by routes and prefixes, never by an address of this machine', async () => {
  const description = await describeThisNetwork();
  assert.equal(description, await describeThisNetwork());
  const { networkInterfaces } = await import('node:os');
  for (const { address, internal } of Object.values(networkInterfaces()).flatMap((list = []) => list)) {
    if (!internal) assert.ok(!(description ?? '').split(' ').includes(address));
  }
});
