// The two ends against each other over a path that loses, cuts, repeats and reorders requests and answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assert as check, integer, property, record } from 'fast-check';
import { SeededRandom } from '../../testing/seeded-random.ts';
import { ClientMachine, type PlannedRequest } from './client-machine.ts';
import type { Frame } from './frame.ts';
import { RETRY_MAX_MS } from './limits.ts';
import { ServerMachine } from './server-machine.ts';

interface Weather {
  readonly seed: number;
  /** Of a hundred: requests that do not arrive, answers that do not, and answers of which a part does. */
  readonly lostRequests: number;
  readonly lostAnswers: number;
  readonly cutAnswers: number;
  readonly repeated: number;
  readonly upBytes: number;
  readonly downBytes: number;
}

const LANES = 6;
const MAX_MESSAGE_BYTES = 8192;
const STEP_MS = 40;
const MAX_STEPS = 20_000;

interface Flight {
  readonly planned: PlannedRequest;
  /** When the listener sees it. */
  atMs: number;
  isAnswered: boolean;
}

/** Both ends, and what lies between them. */
class World {
  readonly random: SeededRandom;
  readonly client: ClientMachine;
  readonly server = new ServerMachine();
  readonly gotUp: Buffer[] = [];
  readonly gotDown: Buffer[] = [];
  nowMs = 0;
  readonly #weather: Weather;
  readonly #flights: Flight[] = [];

  constructor(weather: Weather) {
    this.#weather = weather;
    this.random = new SeededRandom(weather.seed);
    this.client = new ClientMachine({
      maxMessageBytes: MAX_MESSAGE_BYTES,
      maxMessageAgeMs: 5000,
      random: this.random,
    });
  }

  step(): void {
    this.nowMs += STEP_MS;
    this.#send();
    const due = this.#flights.filter(({ atMs }) => atMs <= this.nowMs);
    // In any order: each has a connection of its own.
    due.sort(() => this.random.fraction() - 0.5);
    for (const flight of due) this.#arrive(flight);
    for (const number of this.client.takeLate(this.nowMs))
      this.#drop((flight) => flight.planned.header.number === number);
  }

  #send(): void {
    while (this.#flights.length < LANES) {
      const planned = this.client.next(this.nowMs, LANES - this.#flights.length);
      if (planned === null) return;
      this.#flights.push({ planned, atMs: this.nowMs + this.random.below(200), isAnswered: false });
    }
  }

  #drop(isDropped: (flight: Flight) => boolean): void {
    const index = this.#flights.findIndex(isDropped);
    if (index >= 0) this.#flights.splice(index, 1);
  }

  #happens(percent: number): boolean {
    return this.random.below(100) < percent;
  }

  #arrive(flight: Flight): void {
    const { planned } = flight;
    const { header } = planned;
    const isNew = !flight.isAnswered;
    flight.isAnswered = true;
    if (isNew && this.#happens(this.#weather.lostRequests)) {
      this.#drop((other) => other === flight);
      this.client.answered(header.number, 'cut', this.nowMs);
      return;
    }
    if (isNew) {
      assert.ok(this.server.accept(header), 'a new request is accepted');
      this.#takeBody(planned);
    }
    if (this.#happens(this.#weather.repeated)) assert.equal(this.server.accept(header), false, 'a repetition is not');
    const isDue = header.holdMs === 0 || this.server.hasWork || this.server.owesLimit;
    if (!isDue && this.nowMs < flight.atMs + header.holdMs) return;
    this.#answer(flight);
  }

  #takeBody({ segment }: PlannedRequest): void {
    if (segment === null) return;
    const frame = { ...segment, ack: 0, limit: 0, reset: false, last: true };
    const ready = this.server.receive(frame);
    this.gotUp.push(...ready);
    for (const { length } of ready) this.server.consume(length);
  }

  #answer(flight: Flight): void {
    const { header } = flight.planned;
    this.#drop((other) => other === flight);
    const frames: Frame[] = [];
    for (let room = Math.min(header.answerBytes, MAX_MESSAGE_BYTES); ; ) {
      const segment = room > 0 ? this.server.take(header.number, Math.min(room, 1000)) : null;
      room -= segment?.bytes ?? 0;
      const last = segment === null;
      frames.push({ ...this.server.head(segment, { reset: false, last }), pieces: segment?.pieces ?? [] });
      if (last) break;
    }
    if (this.#happens(this.#weather.lostAnswers)) frames.length = 0;
    else if (this.#happens(this.#weather.cutAnswers)) frames.length = this.random.below(frames.length);
    for (const frame of frames) {
      const ready = this.client.receive(header.number, frame, this.nowMs);
      this.gotDown.push(...ready);
      for (const { length } of ready) this.client.consume(length);
    }
    this.client.answered(header.number, frames.at(-1)?.last === true ? 'whole' : 'cut', this.nowMs);
  }
}

const percent = (max: number) => integer({ min: 0, max });

test('whatever is lost, cut, repeated or late, both directions arrive whole and in order', () => {
  const weathers = record({
    seed: integer(),
    lostRequests: percent(20),
    lostAnswers: percent(20),
    cutAnswers: percent(20),
    repeated: percent(50),
    upBytes: integer({ min: 1, max: 60_000 }),
    downBytes: integer({ min: 0, max: 60_000 }),
  });
  check(
    property(weathers, (weather) => {
      const world = new World(weather);
      const up = world.random.bytes(weather.upBytes);
      const down = world.random.bytes(weather.downBytes);
      world.client.write(up);
      world.client.end();
      world.server.write(down);
      world.server.end();
      let steps = 0;
      while (world.client.over === null && steps < MAX_STEPS) {
        world.step();
        steps += 1;
      }
      // A row of failures as long as this may happen by chance, and is told; what has come is right even then.
      if (world.client.over === 'failed') {
        assert.ok(weather.lostRequests + weather.lostAnswers > 0);
        assert.deepEqual(Buffer.concat(world.gotUp), up.subarray(0, Buffer.concat(world.gotUp).length));
        return;
      }
      assert.equal(world.client.over, 'finished');
      assert.deepEqual(Buffer.concat(world.gotUp), up);
      assert.deepEqual(Buffer.concat(world.gotDown), down);
    }),
    { numRuns: 150 },
  );
});

test('a listener whose answers are somebody else’s is given up', () => {
  const client = new ClientMachine({ maxMessageBytes: 8192, maxMessageAgeMs: 5000, random: new SeededRandom(1) });
  client.write(Buffer.from('first flight'));
  const planned = client.next(0, 1);
  assert.ok(planned?.header.opening);
  client.answered(1, 'foreign', 10);
  assert.equal(client.over, 'foreign');
});

test('an opening whose connections break is given up after three, and one that was answered after eight', () => {
  for (const [isAnswered, most] of [
    [false, 3],
    [true, 8],
  ] as const) {
    const client = new ClientMachine({ maxMessageBytes: 8192, maxMessageAgeMs: 5000, random: new SeededRandom(1) });
    client.write(Buffer.from('first flight'));
    let nowMs = 0;
    const fail = () => {
      nowMs += RETRY_MAX_MS;
      const planned = client.next(nowMs, 1);
      assert.ok(planned !== null);
      client.answered(planned.header.number, 'cut', nowMs);
    };
    const frame = { offset: 0, ack: 0, limit: 1 << 20, end: false, reset: false, last: true, pieces: [] };
    if (isAnswered) client.receive(client.next(nowMs, 1)?.header.number ?? 0, frame, nowMs);
    for (let failures = 1; failures < most; failures++) {
      fail();
      assert.equal(client.over, null);
    }
    fail();
    assert.equal(client.over, 'failed');
  }
});

test('what a proxy cannot deliver for the moment is sent again, later', () => {
  const client = new ClientMachine({ maxMessageBytes: 8192, maxMessageAgeMs: 5000, random: new SeededRandom(1) });
  client.write(Buffer.from('first flight'));
  assert.equal(client.next(0, 1)?.header.number, 1);
  client.answered(1, 'unavailable', 10);
  assert.equal(client.next(10, 1), null);
  const again = client.next(client.wakeMs(10) ?? 0, 1);
  assert.equal(again?.header.number, 2);
  assert.equal(again.header.failed, 1);
  assert.equal(again.segment?.bytes, 12);
});

test('a streamed answer that does not show is given up, and the next ones come whole', () => {
  const client = new ClientMachine({ maxMessageBytes: 8192, maxMessageAgeMs: 5000, random: new SeededRandom(1) });
  client.write(Buffer.from('first flight'));
  client.next(0, 1);
  const head = { offset: 0, ack: 12, limit: 1 << 20, end: false, reset: false, last: true, pieces: [Buffer.from('x')] };
  client.receive(1, head, 20);
  client.answered(1, 'whole', 20);
  const polls = [client.next(20, 3), client.next(20, 2)];
  assert.deepEqual(
    polls.map((poll) => poll?.header.streamed),
    [false, true],
  );
  const lateMs = client.wakeMs(20) ?? 0;
  assert.deepEqual(client.takeLate(lateMs), [3]);
  client.receive(2, { ...head, offset: 1 }, lateMs);
  client.answered(2, 'whole', lateMs);
  const next = client.next(lateMs, 3);
  assert.equal(next?.header.streamed, false);
  assert.equal(next.header.failed, 0b1);
});

test('a request that acknowledges what was never sent is not accepted', () => {
  const server = new ServerMachine();
  const header = {
    number: 1,
    opening: true,
    streamed: false,
    reset: false,
    holdMs: 0,
    answerBytes: 1,
    limit: 1,
    failed: 0,
  };
  assert.throws(() => server.accept({ ...header, ack: 7 }));
});

test('a first frame that comes alone shows that answers pass in pieces, one with others behind it does not', () => {
  for (const [delayMs, streams] of [
    [5, false],
    [30, true],
  ] as const) {
    const client = new ClientMachine({ maxMessageBytes: 8192, maxMessageAgeMs: 5000, random: new SeededRandom(1) });
    client.write(Buffer.from('first flight'));
    client.next(0, 1);
    const head = { offset: 0, ack: 12, limit: 1 << 20, end: false, reset: false, last: true, pieces: [] };
    client.receive(1, head, 20);
    client.answered(1, 'whole', 20);
    client.next(20, 3);
    assert.equal(client.next(20, 2)?.header.streamed, true);
    client.receive(3, { ...head, last: false }, 40);
    client.receive(3, { ...head, pieces: [Buffer.from('x')] }, 40 + delayMs);
    client.answered(3, 'whole', 40 + delayMs);
    client.receive(2, { ...head, offset: 1 }, 80);
    client.answered(2, 'whole', 80);
    assert.equal(client.next(80, 3)?.header.streamed, streams);
  }
});
