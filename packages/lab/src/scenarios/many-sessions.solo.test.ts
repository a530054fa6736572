import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { cutSessions, type SessionsFigures, type SessionsOptions } from '../testing/sessions-run.ts';

const SESSIONS = 2000;
const KIB = 1024;
const MIB = 1024 * KIB;
const UP_BYTES = 20_000;
const DOWN_BYTES = 200_000;
/** The least that a relay takes for its sessions, however small the machine (limits/constants.ts). */
const LEAST_BUDGET_BYTES = 64 * MIB;
/** Beyond its budget a relay holds what it had let a session begin to read: one read of each, and what the client could send unasked. */
const ONE_READ_BYTES = 64 * KIB;
/** Buffers on both sides of what is counted, and garbage that is not collected yet. */
const RESIDENT_FACTOR = 4;

/** Cuts the sessions and says what came out. */
async function cut(context: TestContext, options: Partial<SessionsOptions>): Promise<SessionsFigures> {
  const figures = await cutSessions({
    sessions: SESSIONS,
    upBytes: UP_BYTES,
    downBytes: DOWN_BYTES,
    lineKbps: 800_000,
    patienceMs: 120_000,
    ...options,
  });
  const { idle, backMs, doneMs, farm, relay } = figures;
  const inMiB = (bytes: number): string => `${(bytes / MIB).toFixed(0)} MiB`;
  context.diagnostic(
    `all back or over ${(backMs / 1000).toFixed(1)} s after the cut, all streams ended after ${(doneMs / 1000).toFixed(1)} s: ` +
      `${JSON.stringify(farm.ended)}; the relay held ${inMiB(relay.mostHeldBytes)} at most, ` +
      `resident ${inMiB(idle.residentBytes)} with all idle, ${inMiB(relay.mostResidentBytes)} at most`,
  );
  return figures;
}

/** Padding, headers, and what a session takes between two looks at its account. */
const MARGIN = 1.25;

/** Every session was busy and cut; each is there again or over, and each stream ended whole or typed. */
function assertAccountedFor({ atCut, farm, relay }: SessionsFigures): void {
  assert.ok(atCut.live === SESSIONS && atCut.busy > 0.75 * SESSIONS, `${atCut.busy} were busy at the cut`);
  assert.ok(farm.carriersLost >= SESSIONS);
  const { done = 0, 'session-lost': lost = 0, ...others } = farm.ended;
  assert.deepEqual(others, {}, 'streams end whole, or with the type of a lost session');
  assert.equal(done + lost, SESSIONS);
  const { 'session-lost': sessionsLost = 0, ...closed } = farm.closed;
  assert.deepEqual(closed, {});
  assert.equal(farm.live + sessionsLost, SESSIONS, 'a session is live or over');
  assert.ok(lost <= sessionsLost);
  assert.equal(
    sessionsLost,
    relay.evicted.memory ?? 0,
    'no session is lost but those that the relay had no memory for',
  );
  assert.deepEqual([relay.heldBytes, relay.detachedSessions], [0, 0], 'all memory is given back');
}

function assertWithin(budgetBytes: number, { idle, relay }: SessionsFigures): void {
  const mostHeld = MARGIN * (budgetBytes + SESSIONS * (ONE_READ_BYTES + UP_BYTES));
  assert.ok(relay.mostHeldBytes <= mostHeld, `it held ${relay.mostHeldBytes} bytes, of ${mostHeld}`);
  const grown = relay.mostResidentBytes - idle.residentBytes;
  assert.ok(grown <= RESIDENT_FACTOR * mostHeld, `it grew by ${grown} bytes`);
}

describe('2,000 busy sessions whose carriers are cut at once', () => {
  test('all come back, and every stream arrives byte for byte', { timeout: 300_000 }, async (context) => {
    const figures = await cut(context, {});
    assertAccountedFor(figures);
    assert.equal(figures.farm.ended.done, SESSIONS);
    // What the streams move in all is far less than the budget of a machine: nothing but that bounds it.
    assertWithin(SESSIONS * (UP_BYTES + DOWN_BYTES), figures);
  });

  test('come back as far as a small relay can keep them; the others end typed', {
    timeout: 300_000,
  }, async (context) => {
    const figures = await cut(context, { machineBytes: LEAST_BUDGET_BYTES, outageMs: 2000 });
    assertAccountedFor(figures);
    assertWithin(LEAST_BUDGET_BYTES, figures);
    assert.ok((figures.farm.ended['session-lost'] ?? 0) > 0, 'the budget was too large to be reached');
  });
});
