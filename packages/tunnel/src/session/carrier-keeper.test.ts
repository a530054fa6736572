import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Carrier } from './carrier.ts';
import type { CarrierLimits, CarrierPlan } from './plan/carrier-plan.ts';
import type { CanaryEnd } from './plan/limit-finder.ts';
import { startBulk } from './testing/bulk.ts';
import { countBytes, createClientSetup, openEcho } from './testing/client-setup.ts';

const NONE: CarrierLimits = {
  ageMs: Number.POSITIVE_INFINITY,
  bytes: Number.POSITIVE_INFINITY,
  budgetBytes: Number.POSITIVE_INFINITY,
};

/** A plan in the hands of a test; what it is told stands in `canaries`. */
class StubPlan implements CarrierPlan {
  carriers = 1;
  limits = NONE;
  ageMs: number | null = null;
  /** The next question for news is answered by yes. */
  hasChanged = false;
  isCanaryWanted = false;
  readonly canaries: boolean[] = [];

  get state() {
    return { carriers: this.carriers, ageMs: this.ageMs, bytes: null };
  }

  draw(_nowMs: number, isSpared = false): CarrierLimits {
    return isSpared ? NONE : this.limits;
  }

  noteEnd(): boolean {
    return false;
  }

  noteTraffic(): boolean {
    const { hasChanged } = this;
    this.hasChanged = false;
    return hasChanged;
  }

  wantsCanary(): boolean {
    return this.isCanaryWanted;
  }

  noteCanary({ dead }: CanaryEnd): boolean {
    this.canaries.push(dead === null);
    return false;
  }
}

const budgetOf = (bytes: number): CarrierLimits => ({ ...NONE, bytes: 0.4 * bytes, budgetBytes: bytes });

const sumOf = ({ bytesSent, bytesReceived }: Carrier): number => bytesSent + bytesReceived;

describe('the carriers of a client that keeps to a plan', () => {
  for (const { how, lives } of [
    { how: 'stall', lives: false },
    { how: null, lives: true },
  ] as const) {
    it(`takes a canary that ${lives ? 'answers' : 'was frozen'} for one that ${lives ? 'lived' : 'did not'}`, async () => {
      const plan = new StubPlan();
      Object.assign(plan, { limits: { ...NONE, ageMs: 10_000 }, ageMs: 12_000, isCanaryWanted: true });
      const setup = await createClientSetup({ plan });
      await openEcho(setup);
      for (let second = 0; setup.attached.length < 2 && second < 20; second += 1) await setup.clock.advance(1000);
      await setup.clock.advance(1500);
      plan.isCanaryWanted = false;
      assert.equal(setup.client.session.carriers.length, 2);
      if (how !== null) setup.connections()[0]?.cut(how);
      await setup.clock.advance(60_000);
      assert.deepEqual(plan.canaries, [lives]);
      setup.client.close('cancelled');
    });
  }

  it('frees carriers of their budgets when there is no limit any more', async () => {
    const plan = new StubPlan();
    plan.limits = budgetOf(60_000);
    const setup = await createClientSetup({ plan, latencyMs: 20, bytesPerMs: 250 });
    await setup.clock.advance(500);
    plan.limits = NONE;
    plan.hasChanged = true;
    await setup.clock.advance(2000);
    const [count = () => 0] = await startBulk(setup, ['down']);
    await setup.clock.advance(3000);
    assert.ok(count() > 300_000, `${count()} bytes`);
    assert.deepEqual([setup.suspects, setup.lost], [[], []]);
    setup.client.close('cancelled');
  });

  it('holds no carrier to a budget before one has died by the same way, and all of them from then on', async () => {
    const plan = new StubPlan();
    plan.carriers = 2;
    plan.limits = budgetOf(60_000);
    let deaths = 0;
    const setup = await createClientSetup({
      ...{ plan, latencyMs: 20, bytesPerMs: 250 },
      isSpared: () => deaths === 0,
      onFoulEnd: () => {
        deaths += 1;
      },
    });
    await setup.clock.advance(500);
    await startBulk(setup, ['down']);
    await setup.clock.advance(2000);
    assert.equal(setup.attached.length, 2);
    assert.ok(Math.max(...setup.attached.map(({ carrier }) => sumOf(carrier))) > 200_000);
    setup.connections()[0]?.cut('rst');
    await setup.clock.advance(2000);
    assert.equal(deaths, 1);
    const later = setup.attached.slice(2).map(({ carrier }) => sumOf(carrier));
    assert.ok(later.length > 2 && Math.max(...later) <= 60_000, `${later}`);
    setup.client.close('cancelled');
  });

  it('has no carrier carry more than its budget, however often the plan changes and whichever way the bytes go', async () => {
    for (const directions of [['up'], ['down'], ['up', 'down'], ['down', 'up']] as const) {
      const plan = new StubPlan();
      plan.limits = budgetOf(80_000);
      const setup = await createClientSetup({ plan, latencyMs: 20, bytesPerMs: 20, carriers: 2 });
      await startBulk(setup, [...directions]);
      setup.outcome = 'hang';
      for (let round = 0; round < 60; round += 1) {
        plan.carriers = 1 + (round % 3);
        plan.hasChanged = true;
        await setup.clock.advance(500);
      }
      assert.ok(setup.client.session.carriers.every(({ usable }) => !usable));
      const carried = [...setup.attached.map(({ carrier }) => sumOf(carrier))];
      assert.ok(Math.max(...carried) <= 80_000, `${directions}: ${Math.max(...carried)} bytes`);
      setup.client.close('cancelled');
    }
  });

  it('does not leave a carrier that has carried more than a limit found later before another is there', async () => {
    const plan = new StubPlan();
    const setup = await createClientSetup({ plan, latencyMs: 20, bytesPerMs: 250 });
    const [count = () => 0] = await startBulk(setup, ['down']);
    await setup.clock.advance(3000);
    const before = count();
    plan.limits = budgetOf(60_000);
    plan.hasChanged = true;
    await setup.clock.advance(2000);
    assert.ok(count() > before);
    assert.deepEqual(setup.detachments, []);
    setup.client.close('cancelled');
  });

  it('gets on with the smallest budget, and does not attach for nothing', async () => {
    const plan = new StubPlan();
    plan.limits = budgetOf(6000);
    const setup = await createClientSetup({ plan, latencyMs: 20 });
    await setup.clock.advance(10_000);
    assert.ok(setup.attempts.length <= 4, `${setup.attempts.length} attempts of an idle session`);
    const { stream } = await openEcho(setup);
    const count = countBytes(stream);
    stream.write(Buffer.alloc(20_000));
    await setup.clock.advance(10_000);
    assert.equal(count(), 20_005);
    assert.ok(setup.attempts.length <= 60, `${setup.attempts.length} attempts`);
    for (const { carrier } of setup.attached) assert.ok(sumOf(carrier) <= 6000, `${sumOf(carrier)} bytes`);
    setup.client.close('cancelled');
  });

  it('lets no datagram go over a budget', async () => {
    const plan = new StubPlan();
    plan.limits = budgetOf(16_000);
    const setup = await createClientSetup({ plan, latencyMs: 20 });
    const flow = setup.client.session.datagrams.openFlow(() => {});
    for (let round = 0; round < 200; round += 1) {
      flow.send(Buffer.from('target'), Buffer.alloc(round % 20 === 0 ? 20_000 : 1200));
      await setup.clock.advance(10);
    }
    for (const { carrier } of setup.attached) {
      assert.ok(
        carrier.bytesSent <= carrier.sendBudgetBytes,
        `${carrier.bytesSent} of ${carrier.sendBudgetBytes} bytes`,
      );
    }
    setup.client.close('cancelled');
  });

  it('sends over the others at once when one becomes suspect, though no new one can be had', async () => {
    const setup = await createClientSetup({ carriers: 2, throttleBytesPerMs: 125, latencyMs: 20 });
    await setup.clock.advance(1000);
    const [count = () => 0] = await startBulk(setup, ['up']);
    await setup.clock.advance(5000);
    setup.outcome = { fail: 'refused' };
    setup.connections()[0]?.cut('stall');
    await setup.clock.advance(8000);
    const before = count();
    await setup.clock.advance(4000);
    assert.ok(count() - before > 0.9 * 4000 * 125, `${count() - before} bytes`);
    assert.equal(setup.client.session.carriers.length, 1);
    setup.client.close('cancelled');
  });
});
