import type { RecordKeys } from '@rozan/protocol';
import { RecordOpener, RecordSealer } from '@rozan/protocol';
import type { Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import type { Carrier, CarrierLossCause } from '../carrier.ts';
import { Session } from '../session.ts';
import type { SessionStream } from '../session-stream.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };
const EMPTY = Buffer.alloc(0);

/** Two ends of one session over a `MemoryNetwork`, with carriers made by hand: no handshake, fixed keys. */
export interface SessionPair {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly client: Session;
  readonly relay: Session;
  /** Streams as they opened at the relay, with their targets. */
  readonly accepted: { stream: SessionStream; target: Buffer }[];
  readonly lost: { side: 'client' | 'relay'; id: number; cause: CarrierLossCause }[];
  /** Datagrams as they came to the relay, copied, and the flows that the client has closed. */
  readonly datagrams: { flowId: number; target: Buffer; bytes: Buffer }[];
  readonly closedFlows: number[];
  /** Adds a carrier; resolves with the client's end. */
  attach(): Promise<Carrier>;
}

function keys(seed: number): RecordKeys {
  return { aeadKey: Buffer.alloc(32, seed), lengthKey: Buffer.alloc(32, seed + 1) };
}

/** Makes a pair. `latencyMs` is the one-way delay of the network, `bytesPerMs` its rate. */
export async function createSessionPair(
  options: { readonly latencyMs?: number; readonly bytesPerMs?: number } = {},
): Promise<SessionPair> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs: options.latencyMs ?? 0, bytesPerMs: options.bytesPerMs });
  const env: Env = { network, clock, random: new SeededRandom(1), log: () => {} };
  const accepted: SessionPair['accepted'] = [];
  const lost: SessionPair['lost'] = [];
  const datagrams: SessionPair['datagrams'] = [];
  const closedFlows: number[] = [];
  const client = new Session(env, {
    role: 'client',
    events: { onCarrierLost: (carrier, cause) => lost.push({ side: 'client', id: carrier.id, cause }) },
  });
  const relay = new Session(env, {
    role: 'relay',
    events: {
      onStream: (stream, target) => accepted.push({ stream, target }),
      onDatagram: (flowId, target, bytes) =>
        datagrams.push({ flowId, target: Buffer.from(target), bytes: Buffer.from(bytes) }),
      onFlowClosed: (flowId) => closedFlows.push(flowId),
      onCarrierLost: (carrier, cause) => lost.push({ side: 'relay', id: carrier.id, cause }),
    },
  });
  let nextId = 0;
  const link = (conn: Conn, carrierId: number, [send, receive]: readonly [number, number]) => ({
    carrierId,
    transport: 'opaque',
    conn,
    sealer: new RecordSealer(keys(send)),
    opener: new RecordOpener(keys(receive)),
    roundTripMs: Math.max(1, 2 * (options.latencyMs ?? 0)),
  });
  const arrivals: ((conn: Conn) => void)[] = [];
  await network.listen(ADDRESS, (conn) => arrivals.shift()?.(conn));
  const attach = async (): Promise<Carrier> => {
    const id = nextId;
    nextId += 1;
    arrivals.push((conn) => {
      relay.addCarrier(link(conn, id, [20, 10]), { confirmed: false, leftover: EMPTY });
    });
    const dialled = network.dial(ADDRESS);
    await clock.advance(2 * (options.latencyMs ?? 0));
    const conn = await dialled;
    return client.addCarrier(link(conn, id, [10, 20]), { confirmed: true, leftover: EMPTY });
  };
  return { clock, network, client, relay, accepted, lost, datagrams, closedFlows, attach };
}
