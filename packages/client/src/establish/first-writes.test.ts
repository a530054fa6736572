import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FirstWrites } from './first-writes.ts';

describe('first writes', () => {
  it('are split once a carrier that was not has fallen silent early, and the other way round', () => {
    const writes = new FirstWrites();
    assert.equal(writes.isSplit, false);
    writes.noteSilent({ wasSplit: false, bytes: 4000 });
    // Another, begun before that was known.
    writes.noteSilent({ wasSplit: false, bytes: 4000 });
    assert.equal(writes.isSplit, true);
    writes.noteSilent({ wasSplit: true, bytes: 16_000 });
    assert.equal(writes.isSplit, false);
  });

  it('stay as they are when one falls silent late', () => {
    const writes = new FirstWrites();
    writes.noteSilent({ wasSplit: false, bytes: 1_000_000 });
    assert.equal(writes.isSplit, false);
  });

  it('change when nothing works', () => {
    const writes = new FirstWrites();
    writes.noteNoWay();
    assert.equal(writes.isSplit, true);
    writes.noteNoWay();
    assert.equal(writes.isSplit, false);
  });
});
