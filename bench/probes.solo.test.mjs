import assert from 'node:assert/strict';
import { test } from 'node:test';
import { measureProbeTiming } from '../packages/lab/src/probe-timing/measure.ts';
import { TIMED_LISTENERS } from './timed-listeners.mjs';

/** What still shows, by how much, is in docs/resistance.md. */
const SHOWS = 'recorded, changed';

test('a prober cannot tell by time that a relay stands behind a web site, and would see 5 ms', async () => {
  const listeners = TIMED_LISTENERS.filter(({ transport }) => transport === 'websocket');
  const results = await measureProbeTiming({ samples: 120, listeners });
  assert.ok(results.length > 12);
  for (const { listener, probe, separation, planted } of results) {
    // With few samples the interval decides: `bench/probes.mjs` takes 2,000 and asks for 0.55 itself.
    if (probe !== SHOWS) assert.ok(separation.low <= 0.55, `${listener}, ${probe}: ${JSON.stringify(separation)}`);
    assert.ok(planted.auc > 0.7, `${listener}, ${probe}: a planted delay gives ${planted.auc}`);
  }
});
