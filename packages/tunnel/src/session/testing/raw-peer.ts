import { decodeFrames, encodeFrame, type Frame, RecordOpener, RecordSealer } from '@rozan/protocol';
import type { Env } from '../../env.ts';
import type { Conn } from '../../network.ts';
import { ManualClock } from '../../testing/manual-clock.ts';
import { MemoryNetwork } from '../../testing/memory-network.ts';
import { SeededRandom } from '../../testing/seeded-random.ts';
import type { Carrier, CarrierLossCause } from '../carrier.ts';
import { Session } from '../session.ts';
import type { SessionOptions } from '../session-options.ts';
import type { SessionStream } from '../session-stream.ts';

const ADDRESS = { host: '127.0.0.1', port: 443 };
const EMPTY = Buffer.alloc(0);

/** The far end of one carrier, in the hands of a test that may do what no session would. */
export interface RawCarrier {
  readonly conn: Conn;
  /** The session's end of it. */
  readonly carrier: Carrier;
  /** What the session has sent, without acknowledgements and pings. */
  readonly frames: Frame[];
  /** All records that the session has sent, each as its frames. */
  readonly records: Frame[][];
  /** Sends one record. */
  send(...frames: Frame[]): void;
}

/** One session whose peer is a test. */
export interface RawPeer {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly session: Session;
  readonly accepted: SessionStream[];
  readonly lost: { id: number; cause: CarrierLossCause }[];
  readonly closed: { code: string; by: string }[];
  attach(): Promise<RawCarrier>;
}

function keys(seed: number) {
  return { aeadKey: Buffer.alloc(32, seed), lengthKey: Buffer.alloc(32, seed + 1) };
}

function createRawCarrier(conn: Conn, carrier: Carrier): RawCarrier {
  const sealer = new RecordSealer(keys(10));
  const opener = new RecordOpener(keys(20));
  const frames: Frame[] = [];
  const records: Frame[][] = [];
  conn.on('data', (chunk: Buffer) => {
    opener.push(chunk);
    for (let record = opener.next(); record !== null; record = opener.next()) {
      const decoded = decodeFrames(record);
      records.push(decoded);
      frames.push(...decoded.filter(({ type }) => type !== 'ack' && type !== 'arrival' && type !== 'ping'));
    }
  });
  return {
    conn,
    carrier,
    frames,
    records,
    send(...sent) {
      for (const chunk of sealer.seal([Buffer.concat(sent.map(encodeFrame))])) conn.write(chunk);
    },
  };
}

/** Makes a session of that role, without a carrier. */
export async function createRawPeer(
  role: SessionOptions['role'],
  more: Omit<SessionOptions, 'role' | 'events'> = {},
): Promise<RawPeer> {
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock });
  const env: Env = { network, clock, random: new SeededRandom(7), log: () => {} };
  const accepted: SessionStream[] = [];
  const lost: RawPeer['lost'] = [];
  const closed: RawPeer['closed'] = [];
  const session = new Session(env, {
    ...more,
    role,
    events: {
      onStream: (stream) => accepted.push(stream),
      onCarrierLost: ({ id }, cause) => lost.push({ id, cause }),
      onClosed: (code, by) => closed.push({ code, by }),
    },
  });
  const arrivals: ((conn: Conn) => void)[] = [];
  await network.listen(ADDRESS, (conn) => arrivals.shift()?.(conn));
  let nextId = 0;
  const attach = async (): Promise<RawCarrier> => {
    const arrival = new Promise<Conn>((resolve) => arrivals.push(resolve));
    const dialled = network.dial(ADDRESS);
    await clock.settle();
    const carrierId = nextId;
    nextId += 1;
    const link = {
      carrierId,
      transport: 'memory',
      conn: await dialled,
      sealer: new RecordSealer(keys(20)),
      opener: new RecordOpener(keys(10)),
      roundTripMs: role === 'client' ? 1 : null,
    };
    const carrier = session.addCarrier(link, { confirmed: role === 'client', leftover: EMPTY });
    return createRawCarrier(await arrival, carrier);
  };
  return { clock, network, session, accepted, lost, closed, attach };
}
