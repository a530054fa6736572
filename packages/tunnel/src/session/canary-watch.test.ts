import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { watchCanary } from './canary-watch.ts';
import { type ClientSetup, createClientSetup, openEcho } from './testing/client-setup.ts';

const FROM_BYTES = 3000;

/** Two carriers, the older one watched; it is not told what becomes of it. */
async function watch(livesAnother: boolean) {
  const setup = await createClientSetup({ carriers: 2, latencyMs: 25 });
  await setup.clock.advance(1000);
  const { stream } = await openEcho(setup);
  const [canary] = setup.client.session.carriers;
  assert.ok(canary !== undefined);
  const given = { pings: 0, upAtMs: null as number | null };
  watchCanary(setup.env, canary, {
    fromBytes: FROM_BYTES,
    livesAnother: () => livesAnother,
    ping: () => {
      given.pings += 1;
      setup.client.session.ping(canary);
    },
    giveUp: () => {
      given.upAtMs = setup.clock.monotonicMs();
      setup.client.session.giveUp(canary);
    },
  });
  const carry = async () => {
    while (canary.bytesSent + canary.bytesReceived < FROM_BYTES) {
      stream.write(Buffer.alloc(500));
      await setup.clock.advance(200);
    }
  };
  return { setup, canary, given, carry };
}

function freezeOldest({ network }: ClientSetup): void {
  network.connections[0]?.cut('stall');
}

describe('watchCanary', () => {
  it('asks a silent canary that has gone far enough, and leaves alone one that answers', async () => {
    const { setup, canary, given, carry } = await watch(true);
    await carry();
    await setup.clock.advance(20_000);
    assert.ok(given.pings > 0);
    assert.equal(given.upAtMs, null);
    assert.ok(!canary.lost);
    setup.client.close('cancelled');
  });

  it('gives up within a second one that is frozen', async () => {
    const { setup, canary, given, carry } = await watch(true);
    await carry();
    freezeOldest(setup);
    const frozenMs = setup.clock.monotonicMs();
    await setup.clock.advance(5000);
    assert.ok(canary.lost);
    assert.ok(given.upAtMs !== null && given.upAtMs - frozenMs <= 1000, `${given.upAtMs} after ${frozenMs}`);
    setup.client.close('cancelled');
  });

  it('judges none where nothing else lives either', async () => {
    const { setup, given, carry } = await watch(false);
    await carry();
    freezeOldest(setup);
    await setup.clock.advance(1500);
    assert.equal(given.upAtMs, null);
    setup.client.close('cancelled');
  });
});
