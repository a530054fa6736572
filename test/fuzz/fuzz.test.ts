import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ProtocolError } from '../../packages/protocol/src/errors.ts';
import { SeededRandom } from '../../packages/tunnel/src/testing/seeded-random.ts';
import { readCorpus } from './corpus.ts';
import { execute, fuzzTarget } from './engine.ts';
import { main } from './fuzz.ts';
import { minimise } from './minimise.ts';
import { mutate } from './mutate.ts';
import type { FuzzTarget } from './target.ts';
import { SEEDED_BUG, SEEDED_HANG } from './targets/seeded.ts';
import { findTarget, TARGETS } from './targets.ts';
import { fuzzWatched } from './watch.ts';

/** Enough to see that a target works; `npm run fuzz` does the work. */
const BRIEF_EXECUTIONS = 500;

function targetOf(run: (input: Buffer) => string): FuzzTarget {
  return { name: 'test', run, seeds: [Buffer.from('seed')], maxBytes: 16, allowedErrors: ['ProtocolError'] };
}

describe('fuzz: every target', () => {
  for (const target of TARGETS) {
    test(`${target.name}: its corpus and a brief run find nothing`, () => {
      for (const seed of target.seeds) {
        const outcome = execute(target, seed);
        assert.ok('signature' in outcome, JSON.stringify(outcome));
        assert.ok(seed.length <= target.maxBytes);
      }
      const corpus = readCorpus(target.name);
      const { executions, finding } = fuzzTarget(target, { seed: 1, corpus, maxExecutions: BRIEF_EXECUTIONS });
      assert.equal(finding?.description, undefined);
      assert.ok(executions >= BRIEF_EXECUTIONS);
    });

    test(`${target.name}: at least one seed is taken`, () => {
      const taken = target.seeds.some((seed) => {
        const outcome = execute(target, seed);
        return 'signature' in outcome && !outcome.signature.startsWith('refused');
      });
      assert.ok(taken);
    });
  }

  test('names are unique', () => {
    assert.equal(new Set(TARGETS.map(({ name }) => name)).size, TARGETS.length);
    assert.throws(() => findTarget('nothing'), /no such target/);
  });
});

describe('fuzz: the fuzzer itself', () => {
  test('finds the bug that was put into a decoder, and makes the input small', () => {
    const { finding, executions } = fuzzTarget(findTarget(SEEDED_BUG), {
      seed: 4,
      corpus: [],
      maxExecutions: 2_000_000,
    });
    assert.ok(finding, `not found in ${executions} executions`);
    assert.match(finding.description, /frames were misread/);
    assert.ok(finding.input.length < 400, `${finding.input.length} bytes`);
    assert.ok('failure' in execute(findTarget(SEEDED_BUG), finding.input));
    assert.ok('signature' in execute(findTarget('frames'), finding.input));
  });

  test('finds an input that never comes back', async () => {
    const report = await fuzzWatched({ target: SEEDED_HANG, seed: 1, durationMs: 60_000, maxExecutions: 1e9 });
    assert.equal(report.finding?.input[0], 0xff);
    assert.match(report.finding.description, /hangs/);
  });

  test('in a thread of its own it finds what it finds here', async () => {
    const report = await fuzzWatched({ target: 'varint', seed: 1, durationMs: 60_000, maxExecutions: 1000 });
    assert.equal(report.finding, null);
    assert.ok(report.executions >= 1000);
  });

  test('typed errors are none, all others are findings', () => {
    const refuses = targetOf(() => {
      throw new ProtocolError('malformed', 'no');
    });
    assert.equal(fuzzTarget(refuses, { seed: 1, corpus: [], maxExecutions: 100 }).finding, null);
    const breaks = targetOf((input) => {
      if (input.length > 10) throw new RangeError('out of range');
      return 'fine';
    });
    const { finding } = fuzzTarget(breaks, { seed: 1, corpus: [], maxExecutions: 10_000 });
    assert.equal(finding?.input.length, 11);
    assert.match(finding.description, /RangeError/);
  });

  test('keeps inputs that reach something new', () => {
    const target = targetOf((input) => `first byte ${(input[0] ?? 0) >> 5}`);
    const { newInputs } = fuzzTarget(target, { seed: 1, corpus: [], maxExecutions: 20_000 });
    assert.equal(newInputs.length, 7);
  });

  test('the same seed tries the same inputs', () => {
    const tried = (seed: number) => {
      const inputs: string[] = [];
      const target = targetOf((input) => {
        inputs.push(input.toString('hex'));
        return 'fine';
      });
      fuzzTarget(target, { seed, corpus: [], maxExecutions: 200 });
      return inputs;
    };
    assert.deepEqual(tried(1), tried(1));
    assert.notDeepEqual(tried(1), tried(2));
  });

  test('changed inputs are never too long', () => {
    const random = new SeededRandom(1);
    let input: Buffer = Buffer.from('an input to begin with');
    for (let count = 0; count < 20_000; count++) {
      input = mutate(input, { random, corpus: [Buffer.alloc(50)], dictionary: [Buffer.from('word')], maxBytes: 100 });
      assert.ok(input.length <= 100);
    }
  });

  test('minimises', () => {
    const input = new SeededRandom(2).bytes(500);
    input[123] = 0x77;
    const smallest = minimise(input, (candidate) => candidate.includes(0x77));
    assert.deepEqual(smallest, Buffer.of(0x77));
  });

  test('the command line is checked', async () => {
    const said: string[] = [];
    const run = (...args: string[]) => main(args, { out: (text) => said.push(text), err: (text) => said.push(text) });
    assert.equal(await run('--minutes', 'many'), 2);
    assert.equal(await run('--target', 'nothing'), 2);
    assert.equal(await run('--unknown'), 2);
    assert.equal(await run('--list'), 0);
    assert.ok(said.at(-1)?.split('\n').includes('frames'));
    assert.equal(await run('--help'), 0);
  });
});
