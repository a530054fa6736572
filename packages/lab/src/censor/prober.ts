// The active prober: it learns of servers from traffic, connects to them itself after a while, and says whether they are proxies. What it sends and
// when is Alice et al., IMC 2020 (C31), and Frolov, Wampler and Wustrow, NDSS 2020 (C32). How it makes up its mind is ours: no source says it.
import { type Env, type SocketAddress, sleep } from '@rozan/tunnel';
import { protocolOpenings } from '../testing/probe.ts';
import type { ProbeOrder } from './verdict.ts';

/** How fast a prober is. */
export interface ProberOptions {
  /** Probes come after the time that the sources give, but no later than this, in ms: half of theirs take longer than a minute. */
  readonly mostDelayMs: number;
  /** Told of each server that was probed: whether it was found to be a proxy. */
  readonly onFinding?: ((isProxy: boolean) => void) | undefined;
}

/** How a server answered a probe. */
export interface Reaction {
  readonly probe: string;
  /** How many bytes the probe had. */
  readonly sent: number;
  readonly answered: number;
  /** How the server ended the connection while the prober waited. */
  readonly end: 'open' | 'fin' | 'rst' | 'refused';
}

interface Probing extends ProberOptions {
  readonly order: ProbeOrder;
  readonly actual: SocketAddress;
  readonly signal: AbortSignal;
}

/** Real probers give up in less than this. */
const PATIENCE_MS = 10_000;
/** Probes sent beside one another, so that a battery ends soon. Ours. */
const PARALLEL_PROBES = 24;
/** NR1's lengths, and NR2's. */
const RANDOM_LENGTHS = [7, 8, 9, 11, 12, 13, 15, 16, 17, 21, 22, 23, 32, 33, 34, 40, 41, 42, 48, 49, 50, 221];
/** Around the lengths at which known proxies hang up (C32). */
const THRESHOLD_LENGTHS = [23, 24, 25, 49, 50, 51, 8191, 16_385];
/** Where the delays between a connection and its first probe lie: a share of all, and up to how many seconds. */
const DELAYS: readonly (readonly [share: number, seconds: number])[] = [
  [0, 0.28],
  [0.2, 1],
  [0.5, 60],
  [0.75, 900],
  [1, 570 * 3600],
];

/** The delay in ms at a share of all delays: even on a scale of logarithms between the points that are known. */
export function probeDelayMs(share: number): number {
  const next = DELAYS.findIndex(([known]) => known > share);
  const [highShare, high] = DELAYS[next] ?? [1, 570 * 3600];
  const [lowShare, low] = DELAYS[next - 1] ?? [0, 0.28];
  const part = highShare === lowShare ? 0 : (share - lowShare) / (highShare - lowShare);
  return 1000 * low * (high / low) ** part;
}

/** Waits as long as real ones do, probes, and tells what it found; false when it was stopped. */
export async function startProbing(env: Env, { order, actual, signal, mostDelayMs }: Probing): Promise<boolean> {
  try {
    await sleep(env, Math.min(mostDelayMs, probeDelayMs(env.random.fraction())), signal);
    return await probeServer(env, { battery: order.battery, payload: order.payload, actual, signal });
  } catch (error) {
    if (signal.aborted) return false;
    throw error;
  }
}

/** Sends a battery at a server; whether it is a proxy. */
export async function probeServer(
  env: Env,
  target: { battery: ProbeOrder['battery']; payload: Buffer; actual: SocketAddress; signal: AbortSignal },
): Promise<boolean> {
  const { battery, payload } = target;
  const random = (lengths: readonly number[]): [string, Buffer][] =>
    lengths.map((length) => [`random ${length}`, env.random.bytes(length)]);
  if (battery === 'protocols') {
    const openings = [...protocolOpenings()].filter(([, bytes]) => bytes.length < 500);
    return isCloser(await react(env, target, [...openings, ...random(THRESHOLD_LENGTHS)]));
  }
  const first = await react(env, target, [
    ['R1', payload],
    ['R2', changed(env, payload, [0])],
  ]);
  // The other replays come only once one of these was answered.
  const isAnswered = first.some(({ answered }) => answered > 0);
  const more: [string, Buffer][] = isAnswered
    ? [
        ['R3', changed(env, payload, [0, 1, 2, 3, 4, 5, 6, 7, 62, 63])],
        ['R4', changed(env, payload, [16])],
        ['R5', changed(env, payload, [6, 16])],
      ]
    : random(RANDOM_LENGTHS);
  return isReplayable([...first, ...(await react(env, target, more))]);
}

/** A server that answers what it has heard before, but not what was changed in it, has a key; one that hangs up by length has a format. */
export function isReplayable(reactions: readonly Reaction[]): boolean {
  const replay = reactions.find(({ probe }) => probe === 'R1');
  const spoilt = reactions.filter(({ probe }) => /^R[2-5]$/.test(probe));
  const answersReplay = replay !== undefined && replay.answered > 0;
  const refusesSpoilt = spoilt.length > 0 && spoilt.some(({ answered }) => answered === 0);
  return (
    (answersReplay && refusesSpoilt) || closesByLength(reactions.filter(({ probe }) => probe.startsWith('random')))
  );
}

/** A server that has no answer for anybody, and hangs up once it has had a certain number of bytes. */
export function isCloser(reactions: readonly Reaction[]): boolean {
  if (reactions.some(({ end, answered }) => end === 'refused' || answered > 0)) return false;
  return closesByLength(reactions);
}

/** Whether short probes leave a connection open, or end it one way, and longer ones end it otherwise. */
function closesByLength(reactions: readonly Reaction[]): boolean {
  const silent = reactions.filter(({ answered, sent }) => answered === 0 && sent > 0);
  return new Set(silent.map(({ end }) => end)).size > 1;
}

function changed(env: Env, payload: Buffer, positions: readonly number[]): Buffer {
  const copy = Buffer.from(payload);
  for (const position of positions) {
    if (position < copy.length) copy[position] = (copy[position] ?? 0) ^ (1 + Math.floor(env.random.fraction() * 255));
  }
  return copy;
}

async function react(
  env: Env,
  { actual, signal }: { actual: SocketAddress; signal: AbortSignal },
  probes: readonly (readonly [name: string, bytes: Buffer])[],
): Promise<Reaction[]> {
  const reactions: Reaction[] = [];
  for (let at = 0; at < probes.length; at += PARALLEL_PROBES) {
    const batch = probes.slice(at, at + PARALLEL_PROBES);
    reactions.push(
      ...(await Promise.all(batch.map(([probe, bytes]) => sendProbe(env, actual, { probe, bytes, signal })))),
    );
  }
  return reactions;
}

/** Connects, sends, and waits for as long as probers do. */
async function sendProbe(
  { network, clock }: Env,
  actual: SocketAddress,
  { probe, bytes, signal }: { probe: string; bytes: Buffer; signal: AbortSignal },
): Promise<Reaction> {
  const sent = bytes.length;
  const conn = await network.dial(actual, { signal }).catch(() => null);
  signal.throwIfAborted();
  if (conn === null) return { probe, sent, answered: 0, end: 'refused' };
  let answered = 0;
  const end = await new Promise<Reaction['end']>((resolve) => {
    const cancel = clock.setTimer(PATIENCE_MS, () => resolve('open'));
    const over = (how: Reaction['end']) => () => {
      cancel();
      resolve(how);
    };
    conn.on('data', (chunk: Buffer) => {
      answered += chunk.length;
    });
    conn.once('error', over('rst'));
    conn.once('end', over('fin'));
    signal.addEventListener('abort', over('open'), { once: true });
    if (sent > 0) conn.write(bytes);
  });
  conn.destroy();
  return { probe, sent, answered, end };
}
