import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { signerOf, signTactics, type TacticsSettings } from '@rozan/protocol';
import type { Env, LogEvent } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import fc from 'fast-check';
import { TACTICS_RETRY_MS } from '../limits.ts';
import { TacticsKeeper, type TacticsOptions } from './tactics-keeper.ts';
import { formatTacticsState, parseTacticsState } from './tactics-state.ts';

const KEY = Buffer.alloc(32, 1);
const OTHER_KEY = Buffer.alloc(32, 2);
const START_MS = 1_790_000_000_000;
const TTL_MS = 600_000;

/** Signed tactics of one rule for everybody. */
function document(
  options: { issuedS?: number; set?: TacticsSettings; key?: Buffer; probability?: number } = {},
): Buffer {
  const { issuedS = 0, set = { carriers: 2 }, key = KEY, probability = 1 } = options;
  const issuedMs = START_MS + 1000 * issuedS;
  const rules = [{ id: 'one', when: {}, probability, set }];
  return signTactics({ issuedMs, expiresMs: issuedMs + 3_600_000, ttlMs: TTL_MS, rules }, key);
}

/** A machine with a file of tactics, on which clients start and end. */
function createMachine() {
  const clock = new ManualClock(START_MS);
  const events: LogEvent[] = [];
  const random = new SeededRandom(5);
  const env: Env = { network: new MemoryNetwork({ clock }), clock, random, log: (event) => events.push(event) };
  const machine = {
    ...{ clock, events },
    file: null as Buffer | null,
    text: null as string | null,
    attestedMs: null as number | null,
    settings: [] as TacticsSettings[],
    reads: 0,
    names: () => events.map(({ event }) => event),
    last: () => events.at(-1),
    start: (options: Partial<TacticsOptions> = {}) =>
      TacticsKeeper.open(env, {
        read: async () => {
          machine.reads += 1;
          return machine.file ?? Promise.reject(new Error('no file'));
        },
        keys: [signerOf(KEY)],
        facts: { country: null, asn: null, channels: [] },
        store: {
          read: async () => machine.text,
          write: async (text) => {
            machine.text = text;
          },
        },
        entriesIssuedMs: null,
        attestedMs: () => machine.attestedMs,
        own: new Set(),
        onSettings: (settings) => machine.settings.push(settings),
        ...options,
      }),
  };
  return machine;
}

describe('the tactics of a client', () => {
  it('are read at the start, told, and looked at again when their time to live is over', async () => {
    const machine = createMachine();
    machine.file = document();
    using keeper = await machine.start();
    assert.deepEqual(keeper.settings, { carriers: 2 });
    const [told] = machine.events;
    assert.deepEqual(
      { ...told, digest: '' },
      { event: 'tactics', digest: '', rule: 'one', validity: 'valid', set: { carriers: 2 } },
    );
    machine.file = document({ issuedS: 60, set: { carriers: 3 } });
    await machine.clock.advance(0.7 * TTL_MS);
    assert.equal(machine.reads, 1);
    await machine.clock.advance(0.31 * TTL_MS);
    assert.equal(machine.reads, 2);
    assert.deepEqual(keeper.settings, { carriers: 3 });
    assert.deepEqual(machine.names(), ['tactics', 'tactics']);
  });

  it('stay when the file goes bad, which is told once', async () => {
    const machine = createMachine();
    machine.file = document();
    using keeper = await machine.start();
    const bad: readonly (readonly [Buffer | null, string])[] = [
      [null, 'unreadable'],
      [document({ issuedS: 9, key: OTHER_KEY }), 'not-authentic'],
      [document({ issuedS: 9 }).subarray(0, 20), 'truncated'],
      [document({ issuedS: -1 }), 'older'],
      [document({ set: { carriers: 8 } }), 'rewritten'],
    ];
    for (const [file, code] of bad) {
      machine.file = file;
      await keeper.refresh();
      await keeper.refresh();
      assert.equal(machine.last()?.code, code);
      assert.deepEqual(keeper.settings, { carriers: 2 });
    }
    assert.equal(machine.names().filter((name) => name === 'tactics.refused').length, bad.length);
    machine.file = document({ issuedS: 10, set: {} });
    await keeper.refresh();
    assert.deepEqual(keeper.settings, {});
  });

  it('are none when there is no good file, and come when there is', async () => {
    const machine = createMachine();
    using keeper = await machine.start();
    assert.deepEqual(keeper.settings, {});
    assert.deepEqual(machine.last(), { event: 'tactics.refused', code: 'unreadable', kept: null });
    machine.file = document();
    await machine.clock.advance(TACTICS_RETRY_MS);
    assert.deepEqual(keeper.settings, { carriers: 2 });
  });

  it('are kept over restarts, and never give way to older ones', async () => {
    const machine = createMachine();
    machine.file = document({ issuedS: 100, set: { carriers: 5 } });
    (await machine.start())[Symbol.dispose]();
    for (const file of [null, document({ issuedS: 99 }), document({ issuedS: 100 })]) {
      machine.file = file;
      using keeper = await machine.start();
      assert.deepEqual(keeper.settings, { carriers: 5 });
    }
    machine.file = document({ issuedS: 101 });
    using keeper = await machine.start();
    assert.deepEqual(keeper.settings, { carriers: 2 });
  });

  it('have no effect before they are kept', async () => {
    const machine = createMachine();
    machine.file = document({ issuedS: 1, set: { carriers: 5 } });
    const written = Promise.withResolvers<void>();
    const opening = machine.start({ store: { read: async () => null, write: () => written.promise } });
    await machine.clock.advance(10);
    assert.deepEqual(machine.settings, []);
    written.resolve();
    using _keeper = await opening;
    assert.equal(machine.settings.length, 1);
  });

  it('of another key begin anew', async () => {
    const machine = createMachine();
    machine.file = document({ issuedS: 1000 });
    (await machine.start())[Symbol.dispose]();
    machine.file = document({ issuedS: 1, key: OTHER_KEY, set: { carriers: 7 } });
    using keeper = await machine.start({ keys: [signerOf(OTHER_KEY)] });
    assert.deepEqual(keeper.settings, { carriers: 7 });
  });

  it('are drawn once for each client and document', async () => {
    const taken = async (machine: ReturnType<typeof createMachine>, issuedS: number) => {
      machine.file = document({ issuedS, probability: 0.5 });
      using keeper = await machine.start();
      return keeper.settings.carriers === 2;
    };
    const machine = createMachine();
    const draws: boolean[] = [];
    for (let issuedS = 1; issuedS <= 40; issuedS += 1) {
      const first = await taken(machine, issuedS);
      assert.equal(await taken(machine, issuedS), first, 'another draw after a restart');
      draws.push(first);
    }
    const count = draws.filter((draw) => draw).length;
    assert.ok(count > 8 && count < 32, `${count} of 40`);
  });

  it('leave alone what the user has set', async () => {
    const machine = createMachine();
    machine.file = document({ set: { carriers: 2, silenceMs: 3000 } });
    using keeper = await machine.start({ own: new Set(['carriers'] as const) });
    assert.deepEqual(keeper.settings, { silenceMs: 3000 });
    assert.deepEqual(machine.last()?.set, { silenceMs: 3000 });
  });

  it('are used and marked when they are out of their time, by what relays and papers say of it', async () => {
    const machine = createMachine();
    machine.file = document();
    await machine.clock.advance(5_000_000);
    using keeper = await machine.start();
    assert.equal(machine.last()?.validity, 'unconfirmed');
    machine.attestedMs = START_MS + 1000;
    keeper.judge();
    keeper.judge();
    assert.equal(machine.last()?.validity, 'valid');
    machine.attestedMs = START_MS + 3_600_000;
    keeper.judge();
    assert.equal(machine.last()?.validity, 'expired');
    assert.deepEqual(keeper.settings, { carriers: 2 });
    assert.equal(machine.events.length, 3);
    using _other = await machine.start({ attestedMs: () => null, entriesIssuedMs: START_MS + 3_600_000 });
    assert.equal(machine.last()?.validity, 'expired');
  });

  it('end with the client', async () => {
    const machine = createMachine();
    machine.file = document();
    (await machine.start())[Symbol.dispose]();
    await machine.clock.advance(3 * TTL_MS);
    assert.equal(machine.reads, 1);
  });
});

describe('what a client keeps of tactics', () => {
  it('comes back as it was written', () => {
    const bytes = (options: fc.IntArrayConstraints) => fc.uint8Array(options).map((list) => Buffer.from(list));
    fc.assert(
      fc.property(bytes({ minLength: 16, maxLength: 16 }), fc.option(bytes({ maxLength: 3000 })), (salt, kept) => {
        const state = { salt, document: kept };
        assert.deepEqual(parseTacticsState(formatTacticsState(state)), state);
      }),
    );
  });

  it('is as good as nothing when it is anything else, at every length', () => {
    const text = formatTacticsState({ salt: Buffer.alloc(16), document: document() });
    for (let length = 0; length < text.length - 1; length += 1) {
      assert.equal(parseTacticsState(text.slice(0, length)), null);
    }
    for (const other of ['{"v":2}', '[]', 'null', `${' '.repeat(200_000)}`, '{"v":1,"salt":"AA","document":null}']) {
      assert.equal(parseTacticsState(other), null);
    }
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (input) => assert.equal(parseTacticsState(input), null)));
  });
});
