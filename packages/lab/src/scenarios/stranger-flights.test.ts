import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { type ClientAttach, flightShapeOf, type PaddingRange } from '@rozan/protocol';
import { chiSquareTail, testUniformity } from '@rozan/protocol/testing';
import { createEnv } from '@rozan/tunnel';
import { LabDialer } from '../testing/lab-dialer.ts';
import { recordDials, takeFlight } from '../testing/recording.ts';
import { createScratchFolder, startRelay, type WorldRelay } from '../world.ts';

const FLIGHTS = 20_000;
const ANSWERED = 2_000;
const AT_ONCE = 32;
const LEAST_TAIL = 1e-6;
const env = createEnv({ log: () => {} });

/** What a censor can record: what clients send first, over the network and beside it, and what relays answer. */
interface Captured {
  readonly flights: Buffer[];
  readonly answers: Buffer[];
}

/** Shakes hands with the relay over real connections and takes down both flights of each. */
async function captureHandshakes(relay: WorldRelay): Promise<Captured> {
  const network = recordDials(env.network);
  const dialer = new LabDialer(createEnv({ log: () => {}, network }), relay.entry);
  const attach = async (): Promise<void> => {
    const { link } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(20_000));
    link.conn.destroy();
  };
  await attach(); // the first is unsynced, and those are few by design
  const worker = async (): Promise<void> => {
    while (network.recordings.length < ANSWERED) await attach();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return {
    flights: network.recordings.map(({ sent }) => Buffer.concat(sent)),
    answers: network.recordings.map(({ received }) => Buffer.concat(received)),
  };
}

/** More flights of the same code: new sessions and resumed ones, synced and not. */
function takeFlights(relay: WorldRelay, count: number): Buffer[] {
  const dialers = [new LabDialer(env, relay.entry), new LabDialer(env, relay.entry)];
  dialers[1]?.relayClock.correct(env.clock.wallMs());
  const sessionSecret = env.random.bytes(32);
  return Array.from({ length: count }, (_, index) => {
    const dialer = dialers[index % 2];
    assert.ok(dialer !== undefined);
    const isNew = index % 4 < 2;
    const attach: ClientAttach = isNew
      ? { kind: 'new' }
      : { kind: 'resume', sessionSecret, counter: 1 + (index % 16), carrierId: 1 + (index % 50) };
    return takeFlight(dialer, attach);
  });
}

function assertUniform(samples: readonly Buffer[], what: string): void {
  const { worstPositionTail, worstPosition, pooledTail } = testUniformity(samples);
  assert.ok(worstPositionTail > LEAST_TAIL, `${what}: byte ${worstPosition} has a tail of ${worstPositionTail}`);
  assert.ok(pooledTail > LEAST_TAIL, `${what}: all bytes together have a tail of ${pooledTail}`);
}

/** Whether lengths are spread evenly over what the relay's range of paddings gives. */
function assertSpread(samples: readonly Buffer[], { minBytes, maxBytes }: PaddingRange, what: string): void {
  const lengths = samples.map(({ length }) => length);
  const shortest = Math.min(...lengths);
  const count = maxBytes - minBytes + 1;
  const bins = new Array<number>(12).fill(0);
  for (const length of lengths) {
    const bin = Math.min(bins.length - 1, Math.floor(((length - shortest) * bins.length) / count));
    bins[bin] = (bins[bin] ?? 0) + 1;
  }
  const widths = bins.map(
    (_, bin) => Math.ceil(((bin + 1) * count) / bins.length) - Math.ceil((bin * count) / bins.length),
  );
  const statistic = bins.reduce((sum, found, bin) => {
    const expected = (samples.length * (widths[bin] ?? 0)) / count;
    return sum + (found - expected) ** 2 / expected;
  }, 0);
  assert.ok(chiSquareTail(statistic, bins.length - 1) > LEAST_TAIL, `${what}: lengths fall unevenly: ${bins}`);
  assert.ok(new Set(lengths).size > count / 2, `${what}: ${new Set(lengths).size} of ${count} lengths`);
}

/** Copies in which one byte is always the same. */
function planted(samples: readonly Buffer[], position: (sample: Buffer) => number): Buffer[] {
  return samples.map((sample) => {
    const copy = Buffer.from(sample);
    copy[position(copy)] = 0x16;
    return copy;
  });
}

describe('what a censor records of handshakes', () => {
  const stack = new AsyncDisposableStack();
  let captured: Captured;
  let relay: WorldRelay;

  before(async () => {
    const folder = stack.use(await createScratchFolder());
    relay = stack.use(await startRelay(env, { folder: folder.path }));
    captured = await captureHandshakes(relay);
    captured.flights.push(...takeFlights(relay, FLIGHTS - captured.flights.length));
  });
  after(() => stack.disposeAsync());

  test('20,000 first flights are uniform at every byte position and pooled', () => {
    assert.equal(captured.flights.length, FLIGHTS);
    assert.equal(new Set(captured.flights.map((flight) => flight.toString('latin1'))).size, FLIGHTS);
    assertUniform(captured.flights, 'flights');
  });

  test('2,000 answers of the relay are uniform at every byte position and pooled', () => {
    assert.ok(captured.answers.length >= ANSWERED);
    assertUniform(captured.answers, 'answers');
  });

  test('lengths are spread', () => {
    const shape = flightShapeOf(relay.entry.secret);
    assertSpread(captured.flights.slice(0, ANSWERED), shape.client, 'flights of new sessions');
    assertSpread(captured.answers, shape.relay, 'answers');
  });

  test('a planted constant byte is seen, wherever it is', () => {
    for (const position of [0, 63, 64, 95, 130]) {
      const report = testUniformity(planted(captured.flights, () => position));
      assert.ok(report.worstPositionTail < LEAST_TAIL, `byte ${position}`);
      assert.equal(report.worstPosition, position);
    }
    assert.ok(testUniformity(planted(captured.flights, ({ length }) => length - 1)).pooledTail < LEAST_TAIL);
    assert.ok(testUniformity(planted(captured.answers, () => 40)).worstPositionTail < LEAST_TAIL);
  });
});
