import { parseAllowRule, RelayMetrics } from '@rozan/relay';
import type { Env, Network } from '@rozan/tunnel';
import { leastRandom, ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createScratchFolder, type ScratchFolder, startRelay, type WorldRelay } from '../world.ts';
import { networkMethods } from './recording.ts';

type Outcome = Parameters<RelayMetrics['handshake']>[0];

/** Counts as every relay does, and tells of each handshake what became of it. */
export class HandshakeOutcomes extends RelayMetrics {
  readonly #waiting: ((outcome: Outcome) => void)[] = [];
  #undecided = 0;

  /** The outcome of the next handshake. Ask before it is made. */
  next(): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(resolve);
      AbortSignal.timeout(10_000).addEventListener('abort', () => reject(new Error('no handshake was decided')));
    });
  }

  /** Resolves once every connection that has come is decided: a real file may stand between, and no clock of a test waits for it. */
  async allDecided(): Promise<void> {
    while (this.#undecided > 0) await this.next();
  }

  /** Connections that have come and are not decided. */
  get undecided(): number {
    return this.#undecided;
  }

  /** A connection has come to the relay. */
  arrived(): void {
    this.#undecided += 1;
  }

  override handshake(outcome: Outcome): void {
    super.handshake(outcome);
    this.#undecided -= 1;
    for (const resolve of this.#waiting.splice(0)) resolve(outcome);
  }
}

/** A relay in memory whose time stands still until the test moves it, and that can be started again on its folder. */
export interface StillWorld extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly env: Env;
  readonly outcomes: HandshakeOutcomes;
  readonly relay: WorldRelay;
  /** Ends the relay and starts it again. */
  restart(): Promise<void>;
  /** Lets time pass until the promise is settled. Every connection to the relay must send what it can judge. */
  runUntil<T>(promise: Promise<T>, limitMs: number): Promise<T>;
}

const STEP_MS = 20;

const LOOPBACK = parseAllowRule('127.0.0.1/32');

/** Makes one. Its files are real: after a handshake wait for `outcomes` before time is moved. */
export async function startStillWorld(): Promise<StillWorld> {
  await using stack = new AsyncDisposableStack();
  const folder: ScratchFolder = stack.use(await createScratchFolder());
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(5), log: () => {} };
  const outcomes = new HandshakeOutcomes();
  const egressAllow = LOOPBACK === null ? [] : [LOOPBACK];
  const listen: Network['listen'] = (address, onConn) =>
    network.listen(address, (conn) => {
      outcomes.arrived();
      onConn(conn);
    });
  // Whatever a relay draws is the least there is, so that no answer waits for the clock that stands still.
  const relayEnv: Env = { ...env, random: leastRandom(env.random), network: { ...networkMethods(network), listen } };
  const start = () => startRelay(relayEnv, { folder: folder.path, counters: outcomes, egressAllow });
  let relay = await start();
  stack.defer(() => relay[Symbol.asyncDispose]());
  const running = stack.move();
  return {
    clock,
    network,
    env,
    outcomes,
    get relay() {
      return relay;
    },
    restart: async () => {
      await relay[Symbol.asyncDispose]();
      relay = await start();
    },
    runUntil: async (promise, limitMs) => {
      let isSettled = false;
      const mark = () => {
        isSettled = true;
      };
      promise.then(mark, mark);
      for (let passedMs = 0; !isSettled && passedMs < limitMs; passedMs += STEP_MS) {
        await clock.advance(STEP_MS);
        await outcomes.allDecided();
      }
      if (!isSettled) throw new Error(`not settled within ${limitMs} ms of the manual clock`);
      return promise;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
