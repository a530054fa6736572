import {
  type EntryTransport,
  KEY_BYTES,
  keyPairOf,
  prepareChannel,
  RecordOpener,
  RecordSealer,
  RelayHandshake,
  type ServerEntry,
  type TacticsSettings,
} from '@rozan/protocol';
import {
  type Conn,
  type Env,
  FixedPlan,
  type LogEvent,
  type Network,
  NO_ROTATION,
  Session,
  type SocketAddress,
} from '@rozan/tunnel';
import { ManualClock, MemoryNetwork, SeededRandom } from '@rozan/tunnel/testing';
import { SessionPool } from '../../session-pool.ts';
import { DialLimits } from '../dial-limits.ts';
import { FailureCounts } from '../failures.ts';
import { FirstWrites } from '../first-writes.ts';
import type { NameResolver } from '../name-resolver.ts';
import { RelayDialer } from '../relay-dialer.ts';
import { type MemoryStore, WayMemory } from '../way-memory.ts';

/** What becomes of attempts at one relay. */
export type RelayKind =
  | 'works'
  /** Nobody listens. */
  | 'refused'
  /** Connecting gets no answer. */
  | 'silent'
  /** Connecting works, and nothing passes. */
  | 'blackhole'
  /** Handshakes pass, and nothing else. */
  | 'handshake-only';

/** A client among many relays, on a network in memory whose time is the test's. */
export interface RelayField extends AsyncDisposable {
  readonly clock: ManualClock;
  readonly network: MemoryNetwork;
  readonly pool: SessionPool;
  readonly entries: readonly ServerEntry[];
  readonly failures: FailureCounts;
  readonly events: LogEvent[];
  /** When which relay was dialled, by the index of its entry. */
  readonly dials: { readonly relay: number; readonly port: number; readonly atMs: number }[];
  /** The most connections that were being made at once, to all relays and to one. */
  readonly most: { inAll: number; toOne: number };
  /** Sessions that the relays hold. */
  sessionCount(): number;
  /** From the start until the first session is live. */
  timeToSession(limitMs: number): Promise<number>;
}

/** How a field is made. */
export interface RelayFieldOptions {
  readonly kinds: readonly RelayKind[];
  readonly seed?: number;
  /** Of the round trip. */
  readonly roundTripMs?: number;
  readonly store?: MemoryStore;
  readonly network?: string;
  readonly explain?: boolean;
  /** What stands in the entry instead of a literal, by the index of the entry. */
  readonly nameOf?: (index: number) => string;
  readonly resolve?: NameResolver;
  readonly refreshLists?: (signal: AbortSignal) => Promise<void>;
  /** The transport of the entries. */
  readonly transport?: string;
  /** Stands before it in each entry; nobody listens there. */
  readonly deadTransport?: Omit<EntryTransport, 'addresses'>;
  readonly tactics?: TacticsSettings;
  /** The region of an entry, by its index. */
  readonly regionOf?: (index: number) => string;
  /** Whether an entry is out of its time, by its index. */
  readonly isExpired?: (index: number) => boolean;
  /** The region that is wanted. */
  readonly region?: () => string | null;
}

const PORT = 443;
/** Of the transport at which nobody listens. */
export const DEAD_PORT = 8443;
const CHANNEL = 'default';

function addressOf(index: number): SocketAddress {
  return { host: `192.0.${index >> 8}.${index & 0xff}`, port: PORT };
}

function entryOf(index: number, options: RelayFieldOptions & { keys: Keys }): ServerEntry {
  const { keys, nameOf, transport = 'opaque', deadTransport } = options;
  const { host } = addressOf(index);
  return {
    key: keys.relayKey.publicKey,
    secret: keys.accessSecret,
    issuedMs: 0,
    expiresMs: options.isExpired?.(index) ? 1 : Number.MAX_SAFE_INTEGER,
    transports: [
      ...(deadTransport === undefined ? [] : [{ ...deadTransport, addresses: [`${host}:${DEAD_PORT}`] }]),
      { transport, addresses: [`${nameOf?.(index) ?? host}:${PORT}`], params: {} },
    ],
    region: options.regionOf?.(index),
    relay: `relay-${index}`,
    tag: `tag-${index}`,
    signer: Buffer.alloc(0),
  };
}

interface Keys {
  readonly relayKey: ReturnType<typeof keyPairOf>;
  readonly accessSecret: Buffer;
}

/** Makes it; the client begins at once. */
export async function createRelayField(options: RelayFieldOptions): Promise<RelayField> {
  const { kinds, seed = 1, roundTripMs = 150, network: networkName = 'home' } = options;
  const clock = new ManualClock();
  const network = new MemoryNetwork({ clock, latencyMs: roundTripMs / 2 });
  const random = new SeededRandom(seed);
  const events: LogEvent[] = [];
  const dials: RelayField['dials'] = [];
  const most = { inAll: 0, toOne: 0 };
  const log = (event: LogEvent) => events.push(event);
  const env: Env = { network: countingDials(network, { clock, dials, most }), clock, random, log };
  const keys: Keys = { relayKey: keyPairOf(random.bytes(KEY_BYTES)), accessSecret: random.bytes(KEY_BYTES) };
  const sessions = new Set<Session>();
  for (const [index, kind] of kinds.entries()) {
    const address = addressOf(index);
    if (kind === 'silent') network.ignore(address);
    if (kind === 'blackhole') network.blackhole(address);
    if (kind !== 'refused') await network.listen(address, (conn) => serve(env, conn, { keys, kind, sessions }));
  }
  const entries = kinds.map((_kind, index) => entryOf(index, { ...options, keys }));
  const limits = new DialLimits();
  const failures = new FailureCounts();
  const onFailure = failures.add.bind(failures);
  const resolve = options.resolve ?? (async () => Promise.reject(new Error('no names here')));
  const describe = async () => networkName;
  const memory = await WayMemory.open(env, { store: options.store ?? null, describe });
  const tactics = () => options.tactics ?? {};
  const firstWrites = new FirstWrites();
  const tools = { limits, firstWrites, onFailure, resolve, tactics };
  const dialers = entries.map((entry) => new RelayDialer(env, entry, { tools }));
  const { refreshLists, explain } = options;
  const pool = new SessionPool(env, {
    ...{ dialers, memory, limits, firstWrites, onFailure, refreshLists, explain, tactics, region: options.region },
    planFor: () => new FixedPlan(random, { rotation: NO_ROTATION }),
  });
  return {
    ...{ clock, network, pool, entries, failures, events, dials, most },
    sessionCount: () => [...sessions].filter(({ closed }) => !closed).length,
    timeToSession: async (limitMs) => {
      const never = new AbortController();
      await clock.runUntil(pool.ready(never.signal), limitMs);
      return clock.monotonicMs();
    },
    [Symbol.asyncDispose]: () => pool[Symbol.asyncDispose](),
  };
}

/** A relay that gives a session to everybody; its streams lead nowhere. */
function serve(env: Env, conn: Conn, options: { keys: Keys; kind: RelayKind; sessions: Set<Session> }): void {
  const { keys, kind, sessions } = options;
  const channels = [prepareChannel(CHANNEL, keys.accessSecret)];
  const handshake = new RelayHandshake({ relayKey: keys.relayKey, channels });
  conn.on('error', () => {});
  conn.on('end', () => conn.end());
  conn.on('data', (chunk: Buffer) => {
    const flight = handshake.receive(chunk);
    if (flight === null) return;
    conn.pause();
    conn.removeAllListeners('data');
    conn.removeAllListeners('end');
    const { flight: answer, keys: carrierKeys } = flight.open().accept({
      reply: { status: 'accepted', relayTimeMs: env.clock.wallMs(), retentionMs: 60_000 },
      paddingBytes: 0,
      random: (count) => env.random.bytes(count),
    });
    conn.write(answer);
    if (kind === 'handshake-only') {
      conn.on('end', () => conn.end());
      conn.resume();
      return;
    }
    const session = new Session(env, { role: 'relay', events: {} });
    sessions.add(session);
    const [sealer, opener] = [new RecordSealer(carrierKeys.send), new RecordOpener(carrierKeys.receive)];
    const link = { carrierId: 0, transport: 'memory', conn, sealer, opener, roundTripMs: null };
    session.addCarrier(link, { confirmed: false, leftover: flight.leftover });
  });
}

function countingDials(
  network: MemoryNetwork,
  { clock, dials, most }: Pick<RelayField, 'clock' | 'dials' | 'most'>,
): Network {
  const open = new Map<string, number>();
  const begin = (host: string): (() => void) => {
    open.set(host, (open.get(host) ?? 0) + 1);
    most.inAll = Math.max(
      most.inAll,
      [...open.values()].reduce((sum, count) => sum + count, 0),
    );
    most.toOne = Math.max(most.toOne, open.get(host) ?? 0);
    return () => open.set(host, (open.get(host) ?? 1) - 1);
  };
  return {
    dial: async (address, dialOptions) => {
      const [, , third = 0, fourth = 0] = address.host.split('.').map(Number);
      dials.push({ relay: third * 256 + fourth, port: address.port, atMs: clock.monotonicMs() });
      const end = begin(address.host);
      return await network.dial(address, dialOptions).finally(end);
    },
    listen: (address, onConn) => network.listen(address, onConn),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (path, onConn) => network.listenLocal(path, onConn),
  };
}

/** So many ways in a random order, of which so many work; half of the others are silent, and half are refused. */
export function blockedKinds(random: { fraction(): number }, options: { ways: number; working: number }): RelayKind[] {
  const { ways, working } = options;
  const kinds = Array.from({ length: ways }, (_, index): RelayKind => {
    if (index < working) return 'works';
    return index % 2 === 0 ? 'silent' : 'refused';
  });
  const drawn = kinds.map((kind) => ({ kind, at: random.fraction() }));
  return drawn.sort((a, b) => a.at - b.at).map(({ kind }) => kind);
}
