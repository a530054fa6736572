import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ServerEntry } from '@rozan/protocol';
import type { Env, LogEvent } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom, temporaryFolder } from '@rozan/tunnel/testing';
import type { RelayChannel } from '../data-folder/relay-config.ts';
import { ENROLMENT_BOUNDS } from '../limits/constants.ts';
import { keepSettings, readEnrolment, writeEnrolment } from './enrolment-file.ts';
import { Steward, type StewardedRelay } from './steward.ts';
import { FakeControl, TEST_SETTINGS, testSecret } from './testing/fake-control.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const [LEAST, MOST] = ENROLMENT_BOUNDS.reportMs;
const [LEAST_RETRY] = ENROLMENT_BOUNDS.retryMs;

/** A clock that tells when the steward has begun to wait. */
class WaitClock extends ManualClock {
  readonly #waits: number[] = [];
  #heard: () => void = () => {};

  override setTimer(delayMs: number, callback: () => void) {
    // The other timer is the patience with one request.
    if (delayMs !== ENROLMENT_BOUNDS.requestMs) {
      this.#waits.push(delayMs);
      this.#heard();
    }
    return super.setTimer(delayMs, callback);
  }

  /** How long the steward waits after the round that goes on, in ms; once for each round. */
  async nextWait(): Promise<number> {
    while (this.#waits.length === 0) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
    return this.#waits.shift() ?? 0;
  }
}

/** What of a relay a steward meets, and what it has done to it. */
class FakeRelay implements StewardedRelay {
  readonly done: string[] = [];
  isDraining = false;
  readonly metrics = {
    contentType: 'text/plain',
    text: async () => 'rozan_relay_stream_bytes_total{direction="up"} 5\nprocess_resident_memory_bytes 9\n',
  };

  status() {
    const none = { strangers: 0, forwarded: 0, heldBytes: 0 };
    return { ...none, sessions: 5, detachedSessions: 2, streams: 4, draining: this.isDraining };
  }

  drain(): void {
    this.isDraining = true;
    this.done.push('drain');
  }

  undrain(): void {
    this.isDraining = false;
    this.done.push('undrain');
  }

  setChannels(channels: readonly RelayChannel[]): void {
    this.done.push(`channels ${channels.map(({ id, accessSecret }) => `${id}:${accessSecret[0]}`).join(' ')}`);
  }

  setSiblings(entries: readonly ServerEntry[]): void {
    this.done.push(`siblings ${entries.length}`);
  }
}

interface BeginOptions {
  readonly settings?: object;
  /** Of its credential. */
  readonly ageMs?: number;
}

/** A steward between a fake relay and a fake control plane. */
async function begin(context: TestContext, { settings: first = TEST_SETTINGS, ageMs = 0 }: BeginOptions = {}) {
  const clock = new WaitClock();
  const network = new MemoryNetwork({ clock });
  const events: LogEvent[] = [];
  let heard = () => {};
  const env: Env = {
    network,
    clock,
    random: new SeededRandom(1),
    log: (event) => {
      events.push(event);
      heard();
    },
  };
  const control = new FakeControl();
  await control.listen(env);
  const folder = await temporaryFolder(context);
  const settings = await keepSettings(folder, first);
  const relay = new FakeRelay();
  const enrolment = {
    url: control.url,
    roots: null,
    credential: 'credential-0',
    former: null,
    sinceMs: clock.wallMs() - ageMs,
  };
  await writeEnrolment(folder, enrolment);
  const steward = new Steward(env, { relay, folder, enrolment, settings, programVersion: '9' });
  context.after(async () => {
    await steward[Symbol.asyncDispose]();
    await control[Symbol.asyncDispose]();
    assert.equal(clock.pendingTimers, 0);
  });
  let waitMs = settings.state === 'retired' ? 0 : await clock.nextWait();
  return {
    clock,
    control,
    relay,
    folder,
    events,
    steward,
    /** How long it waits now, in ms. */
    wait: () => waitMs,
    /** Lets the wait pass, and the round after it, which may take `roundMs`; gives how long it waits then. */
    round: async (roundMs = 0) => {
      const over = clock.nextWait();
      await clock.advance(waitMs);
      if (roundMs > 0) await clock.advance(roundMs);
      waitMs = await over;
      return waitMs;
    },
    /** Resolves when that has been logged. */
    until: async (name: string) => {
      while (!events.some(({ event }) => event === name)) {
        await new Promise<void>((resolve) => {
          heard = resolve;
        });
      }
    },
    names: () => events.map(({ event }) => event),
  };
}

test('a report comes at the start and then about once a minute, at no even beat, and holds sums', async (context) => {
  const { control, relay, round, wait } = await begin(context);
  assert.equal(control.asked.length, 1);
  const [first] = control.asked;
  assert.ok(first !== undefined);
  const { cpuShare, ...body } = Object(first.body);
  assert.deepEqual([first.method, first.path, first.credential], ['POST', '/relays/report', 'credential-0']);
  assert.ok(cpuShare >= 0 && cpuShare <= 1);
  assert.deepEqual(body, {
    settingsVersion: 7,
    programVersion: '9',
    uptimeSeconds: 0,
    memoryBytes: 9,
    sessionsLive: 3,
    sessionsDetached: 2,
    streams: 4,
    strangers: 0,
    bytesUp: 5,
    bytesDown: 0,
    isDraining: false,
  });
  const waits = [wait()];
  for (let turn = 0; turn < 10; turn += 1) waits.push(await round());
  for (const waitMs of waits) assert.ok(waitMs >= LEAST && waitMs <= MOST, String(waitMs));
  assert.equal(new Set(waits).size, waits.length);
  assert.equal(control.count('/relays/report'), 11);
  assert.equal(control.count('/relays/self/settings'), 0, 'nothing has changed');
  assert.deepEqual(relay.done, []);
});

test('settings that have changed are kept, and the relay is as they say: channels, siblings, draining and back', async (context) => {
  const { control, relay, round, folder, events } = await begin(context);
  const kept = async () => JSON.parse(await readFile(join(folder, 'settings.json'), 'utf8'));
  const channels = [...TEST_SETTINGS.channels, { id: 'shop', accessSecret: testSecret(2), former: [] }];
  control.settings = { ...TEST_SETTINGS, version: 8, channels };
  await round();
  assert.deepEqual(relay.done.splice(0), ['channels friends:1 shop:2', 'siblings 0']);
  assert.deepEqual(await kept(), control.settings);
  control.settings = { ...TEST_SETTINGS, version: 9, channels, state: 'drained', isDraining: true };
  await round();
  assert.deepEqual(relay.done.splice(0), ['siblings 0', 'drain'], 'channels that have not changed are left alone');
  control.settings = { ...TEST_SETTINGS, version: 10, channels };
  await round();
  assert.deepEqual(relay.done.splice(0), ['siblings 0', 'undrain']);
  const changed = (version: number, state: string, isDraining: boolean) => ({
    event: 'settings.changed',
    version,
    state,
    isDraining,
  });
  assert.deepEqual(events, [changed(8, 'serving', false), changed(9, 'drained', true), changed(10, 'serving', false)]);
  await round();
  assert.equal(Object(control.asked.at(-1)?.body).settingsVersion, 10);
  assert.equal(control.count('/relays/self/settings'), 3);
});

test('a relay that is retired takes nobody any more, says so once, and reports no more', async (context) => {
  const { control, relay, clock, wait, until, names } = await begin(context);
  control.settings = { ...TEST_SETTINGS, version: 8, state: 'retired', isDraining: true, channels: [] };
  await clock.advance(wait());
  await until('relay.retired');
  assert.deepEqual(relay.done, ['channels ', 'siblings 0', 'drain']);
  assert.deepEqual(names(), ['settings.changed', 'relay.retired']);
  await clock.settle();
  assert.equal(clock.pendingTimers, 0);
  assert.equal(control.count('/relays/report'), 2);
});

test('a relay that was retired before it was started asks nobody', async (context) => {
  const { control, names, clock } = await begin(context, { settings: { ...TEST_SETTINGS, state: 'retired' } });
  assert.deepEqual(names(), ['relay.retired']);
  assert.equal(clock.pendingTimers, 0);
  assert.deepEqual(control.asked, []);
});

test('settings that cannot be read are asked for ever less often, told of once, and change nothing', async (context) => {
  const { control, relay, round, wait, names, folder, events } = await begin(context);
  control.settings = { ...TEST_SETTINGS, version: 8, state: 'a state of a later version' };
  for (let turn = 0; turn < 8; turn += 1) {
    const waitMs = await round();
    const mostMs = Math.min(MOST, LEAST_RETRY * 2 ** turn);
    assert.ok(waitMs <= mostMs && waitMs >= Math.min(mostMs, ENROLMENT_BOUNDS.retryMs[1]) / 2, `${turn}: ${waitMs}`);
  }
  assert.equal(control.count('/relays/self/settings'), 8, 'once a round');
  assert.deepEqual(events, [{ event: 'control.unreachable', code: 'control-unreachable' }]);
  assert.deepEqual(relay.done, []);
  assert.equal(JSON.parse(await readFile(join(folder, 'settings.json'), 'utf8')).version, 7);
  control.settings = { ...TEST_SETTINGS, version: 9 };
  await round();
  assert.ok(wait() >= LEAST, 'back to its usual pace');
  assert.deepEqual(names(), ['control.unreachable', 'settings.changed', 'control.reached']);
});

test('whatever a control plane does wrong, the relay goes on as it was told last', async (context) => {
  const { control, relay, round, names, events } = await begin(context);
  const wrong = [
    { json: { message: 'that does not let you in' }, status: 401 },
    { json: 'not JSON of ours' },
    { json: {}, status: 503 },
  ];
  for (const reply of wrong) {
    control.rule = () => reply;
    await round();
  }
  assert.deepEqual(events.splice(0), [{ event: 'control.unreachable', code: 'control-refused' }]);
  assert.deepEqual(relay.done, []);
  control.rule = () => undefined;
  await round();
  assert.deepEqual(names(), ['control.reached']);
  // Somebody who takes the request and says nothing is not waited for any longer than that.
  control.rule = () => null;
  assert.ok((await round(ENROLMENT_BOUNDS.requestMs)) <= LEAST_RETRY);
  assert.equal(events.at(-1)?.code, 'control-unreachable');
  control.rule = () => undefined;
  assert.ok((await round()) >= LEAST);
});

test('a former secret ends at its time, though the control plane is away', async (context) => {
  const untilMs = new ManualClock().wallMs() + HOUR;
  const former = [{ accessSecret: testSecret(2), until: new Date(untilMs).toISOString() }];
  const channels = [{ id: 'friends', accessSecret: testSecret(1), former }];
  const { control, relay, round, clock } = await begin(context, { settings: { ...TEST_SETTINGS, channels } });
  control.rule = () => ({ json: {}, status: 503 });
  while (clock.wallMs() < untilMs - 2 * MINUTE) await round();
  assert.deepEqual(relay.done, []);
  while (clock.wallMs() < untilMs) await round();
  assert.deepEqual(relay.done, ['channels friends:1']);
});

test('a steward ends in the middle of a request, and says nothing about it', async (context) => {
  const { control, clock, wait, names, steward } = await begin(context);
  control.rule = () => null;
  await clock.advance(wait());
  await steward[Symbol.asyncDispose]();
  assert.deepEqual(names(), []);
  assert.equal(clock.pendingTimers, 0);
});

test('an old credential is renewed after a report, and the next report comes with the new one', async (context) => {
  const { control, round, names, folder } = await begin(context, { ageMs: 31 * 24 * HOUR });
  assert.deepEqual(control.known, { current: 'credential-1', former: 'credential-0' });
  assert.equal((await readEnrolment(folder))?.credential, 'credential-1');
  await round();
  assert.deepEqual(control.known, { current: 'credential-1', former: null });
  await round();
  assert.equal(control.count('/relays/self/credential'), 1);
  assert.deepEqual(names(), ['credential.renewed']);
});
