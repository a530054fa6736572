import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ProtocolError } from '@rozan/protocol';
import fc from 'fast-check';
import { MAX_SKIPPED_STREAM_IDS } from '../limits.ts';
import { StreamIds } from './stream-ids.ts';

const violation = (error: unknown): boolean => error instanceof ProtocolError && error.code === 'violation';

describe('StreamIds', () => {
  it('knows each id once, in any order', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 200 }), (given) => {
        const ids = new StreamIds();
        const seen = new Set<number>();
        for (const id of given) {
          assert.equal(ids.isNew(id), !seen.has(id));
          seen.add(id);
        }
      }),
    );
  });

  it('has no stream 0', () => {
    assert.equal(new StreamIds().isNew(0), false);
  });

  it('lets a bounded number of ids be missing', () => {
    const ids = new StreamIds();
    assert.equal(ids.isNew(MAX_SKIPPED_STREAM_IDS + 1), true);
    assert.throws(() => ids.isNew(MAX_SKIPPED_STREAM_IDS + 3), violation);
    assert.equal(ids.isNew(7), true);
    assert.equal(ids.isNew(MAX_SKIPPED_STREAM_IDS + 3), true);
    assert.throws(() => new StreamIds().isNew(Number.MAX_SAFE_INTEGER), violation);
  });
});
