import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseHostPort } from '@rozan/protocol';
import type { AllowRule } from '@rozan/relay';
import type { Env, Network, SocketAddress } from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { createScratchFolder, startRelay, type WorldRelay } from '../world.ts';
import { networkMethods } from './recording.ts';
import { HandshakeOutcomes } from './still-world.ts';

/** Counts as every relay does, and remembers how carriers were lost and what became of requests to forward. */
export class ForwardOutcomes extends HandshakeOutcomes {
  readonly lost: string[] = [];
  readonly asked: string[] = [];

  override carrierLost(cause: string): void {
    super.carrierLost(cause);
    this.lost.push(cause);
  }

  override forwardAsked(outcome: Parameters<HandshakeOutcomes['forwardAsked']>[0]): void {
    super.forwardAsked(outcome);
    this.asked.push(outcome);
  }
}

/** A relay of the world. */
export interface RerouteRelay extends WorldRelay {
  readonly outcomes: ForwardOutcomes;
  readonly place: SocketAddress;
}

/** Relays in memory whose time stands still until the test moves it. */
export interface RerouteWorld extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly env: Env;
  /** Starts another relay. */
  start(name: string): Promise<RerouteRelay>;
  /** Lets time pass until the promise is settled. */
  runUntil<T>(promise: Promise<T>, limitMs?: number): Promise<T>;
}

const STEP_MS = 20;
const LIMIT_MS = 60_000;

/** Makes one. Its relays' files are real, so time moves slowly while a handshake is undecided. */
export async function startRerouteWorld(
  options: { readonly egressAllow?: readonly AllowRule[] } = {},
): Promise<RerouteWorld> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await createScratchFolder());
  const running = stack.move();
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(11), log: () => {} };
  const relays: RerouteRelay[] = [];
  const start = async (name: string): Promise<RerouteRelay> => {
    const outcomes = new ForwardOutcomes();
    const listen: Network['listen'] = (address, onConn) =>
      network.listen(address, (conn) => {
        outcomes.arrived();
        onConn(conn);
      });
    const relayEnv: Env = { ...env, network: { ...networkMethods(network), listen } };
    const relay = running.use(
      await startRelay(relayEnv, { folder: join(folder.path, name), counters: outcomes, ...options }),
    );
    const started = { ...relay, outcomes, place: parseHostPort(relay.entry.transports[0]?.addresses[0] ?? '') };
    relays.push(started);
    return started;
  };
  const runUntil = async <T>(promise: Promise<T>, limitMs: number = LIMIT_MS): Promise<T> => {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    for (let passedMs = 0; !isSettled && passedMs < limitMs; passedMs += STEP_MS) {
      await clock.advance(STEP_MS);
      // A real file stands between, and an answer's delay.
      while (relays.some(({ outcomes }) => outcomes.undecided > 0)) {
        await pause(1);
        await clock.advance(1);
      }
    }
    if (!isSettled) throw new Error(`not settled within ${limitMs} ms of the manual clock`);
    return promise;
  };
  return { clock, network, env, start, runUntil, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
