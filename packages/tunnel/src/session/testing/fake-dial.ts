import { type ClientAttach, RecordOpener, RecordSealer } from '@rozan/protocol';
import type { Env } from '../../env.ts';
import { TunnelError, type TunnelErrorCode } from '../../errors.ts';
import type { Conn } from '../../network.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import type { CensorRule } from '../../testing/memory-censor.ts';
import { type MemoryConnection, MemoryNetwork } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import type { AttachedCarrier } from '../client-handshake.ts';
import type { DialCarrier } from '../client-session.ts';
import { Session } from '../session.ts';
import type { SessionStream } from '../session-stream.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };
const EMPTY = Buffer.alloc(0);

/** How the next attempts to attach go. */
export type DialOutcome =
  | 'accept'
  /** Fails with this error. */
  | { readonly fail: TunnelErrorCode }
  /** Succeeds, and the connection is cut at once. */
  | 'cut-at-once'
  /** Goes on until the signal says stop. */
  | 'hang';

/** A relay as a `ClientSession` sees it through `DialCarrier`: connections without a handshake, and what may become of them. */
export interface FakeRelay {
  readonly env: Env;
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly relay: Session;
  readonly accepted: SessionStream[];
  /** When each attempt was made, in milliseconds of the clock, and what it asked for. */
  readonly attempts: { readonly atMs: number; readonly attach: ClientAttach }[];
  readonly dial: DialCarrier;
  outcome: DialOutcome;
  /** The first carrier of a session. */
  first(): Promise<AttachedCarrier>;
  /** The connections that both sides hold open, oldest first. */
  connections(): readonly MemoryConnection[];
}

/** How a `FakeRelay` is set up. */
export interface FakeRelayOptions {
  readonly latencyMs?: number;
  /** Of a line that all carriers share, in each direction. */
  readonly bytesPerMs?: number;
  /** Of each carrier by itself, in each direction. */
  readonly throttleBytesPerMs?: number;
  /** Who cuts carriers, and when. */
  readonly censor?: CensorRule;
  readonly retentionMs?: number;
  readonly seed?: number;
}

function keys(seed: number) {
  return { aeadKey: Buffer.alloc(32, seed), lengthKey: Buffer.alloc(32, seed + 1) };
}

function linkOf(conn: Conn, carrierId: number, side: { isClient: boolean; roundTripMs: number }) {
  const [send, receive] = side.isClient ? [keys(10), keys(20)] : [keys(20), keys(10)];
  return {
    carrierId,
    transport: 'memory',
    conn,
    sealer: new RecordSealer(send),
    opener: new RecordOpener(receive),
    roundTripMs: side.isClient ? side.roundTripMs : null,
  };
}

/** Makes a relay end and a way to reach it. `latencyMs` is the one-way delay. */
export async function createFakeRelay(options: FakeRelayOptions = {}): Promise<FakeRelay> {
  const { latencyMs = 10, bytesPerMs, throttleBytesPerMs, censor, retentionMs = 60_000, seed = 3 } = options;
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs, bytesPerMs, throttleBytesPerMs, censor });
  const env: Env = { network, clock, random: new SeededRandom(seed), log: () => {} };
  const accepted: SessionStream[] = [];
  const relay = new Session(env, { role: 'relay', events: { onStream: (stream) => accepted.push(stream) } });
  const arrivals: ((conn: Conn) => void)[] = [];
  await network.listen(ADDRESS, (conn) => arrivals.shift()?.(conn));

  const connect = async (attach: ClientAttach): Promise<AttachedCarrier> => {
    const carrierId = attach.kind === 'new' ? 0 : attach.carrierId;
    const startMs = clock.monotonicMs();
    arrivals.push((conn) => {
      if (!relay.mayAdd(carrierId)) throw new Error(`the carrier number ${carrierId} was used before`);
      relay.addCarrier(linkOf(conn, carrierId, { isClient: false, roundTripMs: 0 }), {
        confirmed: false,
        leftover: EMPTY,
      });
    });
    const conn = await network.dial(ADDRESS);
    const roundTripMs = Math.max(0.1, clock.monotonicMs() - startMs);
    return {
      link: linkOf(conn, carrierId, { isClient: true, roundTripMs }),
      reply: { status: 'accepted', relayTimeMs: clock.wallMs(), retentionMs, carrierId },
      sessionSecret: attach.kind === 'new' ? Buffer.alloc(32, 5) : null,
      leftover: EMPTY,
    };
  };

  const attempts: FakeRelay['attempts'] = [];
  const fake: FakeRelay = {
    env,
    clock,
    network,
    relay,
    accepted,
    attempts,
    outcome: 'accept',
    first: () => connect({ kind: 'new' }),
    connections: () => network.connections.filter(({ client, server }) => !client.destroyed && !server.destroyed),
    async dial(nextAttach, signal) {
      const attach = nextAttach();
      attempts.push({ atMs: clock.monotonicMs(), attach });
      const { outcome } = fake;
      if (typeof outcome === 'object') throw new TunnelError(outcome.fail, 'as the test wants it');
      if (outcome === 'hang') {
        return new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason), { once: true });
        });
      }
      const attached = await connect(attach);
      if (outcome === 'cut-at-once') network.connections.at(-1)?.cut('rst');
      return attached;
    },
  };
  return fake;
}
