import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseHostPort, parseServerEntry, parseShareLink } from '@rozan/protocol';
import { type Conn, createEnv, type Env } from '@rozan/tunnel';
import { LabDialer } from '../testing/lab-dialer.ts';
import {
  type Probe,
  protocolOpenings,
  randomProbes,
  replayProbes,
  runProbe,
  SILENCE,
  type Sighting,
  wholeReplays,
} from '../testing/probe.ts';
import { type Program, startProgram } from '../testing/program.ts';
import { recordDials, takeFlight } from '../testing/recording.ts';
import { initRelay } from '../testing/relay-network.ts';
import { createScratchFolder } from '../world.ts';

const ANSWER_MS = 20_000;

/** The probes of reference C31 and C32, and what is near to them. */
function battery(flights: { readonly answered: readonly Buffer[]; readonly unused: Buffer }): Probe[] {
  const openings = [...protocolOpenings()];
  return [
    ...flights.answered.flatMap((flight, index) => [
      ...wholeReplays(`recorded ${index}`, flight),
      ...replayProbes(`recorded ${index}`, flight),
    ]),
    // Never seen by the relay: here the replay memory cannot be what refuses them.
    ...replayProbes('unused', flights.unused),
    ...randomProbes(),
    ...openings.flatMap(([name, bytes]): Probe[] => [
      { name, pieces: [bytes], after: 'wait' },
      { name: `${name}, then FIN`, pieces: [bytes], after: 'fin' },
      { name: `${name}, then RST`, pieces: [bytes], after: 'rst' },
    ]),
  ];
}

/** Sends a flight as it is and resolves with the number of bytes that come back at first. */
async function answerTo(conn: Conn, flight: Buffer): Promise<number> {
  const answered = new Promise<number>((resolve, reject) => {
    conn.once('data', (chunk: Buffer) => resolve(chunk.length));
    conn.once('close', () => reject(new Error('closed without an answer')));
    AbortSignal.timeout(ANSWER_MS).addEventListener('abort', () => reject(new Error('no answer')), { once: true });
  });
  conn.write(flight);
  try {
    return await answered;
  } finally {
    conn.destroy();
  }
}

describe('a stranger at the bare port of the relay program', () => {
  const stack = new AsyncDisposableStack();
  let relay: Program;
  let env: Env;
  let dialer: LabDialer;
  const answered: Buffer[] = [];

  before(async () => {
    const folder = stack.use(await createScratchFolder()).path;
    const { entry } = parseServerEntry(parseShareLink(await initRelay(folder)));
    relay = stack.use(await startProgram(['relay', '--data', folder, '--metrics', 'off']));
    const network = recordDials(createEnv({ log: () => {} }).network);
    env = createEnv({ log: () => {}, network });
    dialer = new LabDialer(env, entry);
    // Unsynced first, synced then: a client is synced from its first answer on.
    for (const _ of ['unsynced', 'synced']) {
      const { link } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(ANSWER_MS));
      link.conn.destroy();
    }
    answered.push(...network.recordings.flatMap(({ sent }) => sent.slice(0, 1)));
  });
  after(() => stack.disposeAsync());

  test('gets no byte and is not closed upon within 10 s, whatever it sends; a client is answered meanwhile', {
    timeout: 60_000,
  }, async () => {
    const { opaque = '' } = relay.ready.listen as Record<string, string>;
    const address = parseHostPort(opaque);
    const unused = takeFlight(dialer, { kind: 'new' });
    const probes = battery({ answered, unused });
    assert.ok(probes.length > 80 && answered.length === 2);

    let areDone = false;
    const sightings = Promise.all(
      probes.map(
        async (probe): Promise<[string, Sighting]> => [probe.name, await runProbe(env.network, address, probe)],
      ),
    ).finally(() => {
      areDone = true;
    });
    // The same bytes that are met with silence above, unchanged; and a client.
    assert.ok((await answerTo(await env.network.dial(address), unused)) > 100);
    const { link } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(ANSWER_MS));
    link.conn.destroy();
    assert.equal(areDone, false, 'the controls were answered while the probes waited');
    assert.deepEqual(
      Object.fromEntries(await sightings),
      Object.fromEntries(probes.map(({ name }) => [name, SILENCE])),
    );
    // It has not died of any of them.
    const late = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(ANSWER_MS));
    late.link.conn.destroy();
  });
});
