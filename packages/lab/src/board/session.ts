// One user's attempt: a fresh client, and what can be done through it.
import { type Env, sleep } from '@rozan/tunnel';
import type { CellCensor } from './cell-censor.ts';
import { type Download, type DownloadOptions, download } from './download.ts';
import type { Gate } from './gate.ts';
import type { Programs } from './programs.ts';
import { PAGE_BYTES } from './site.ts';
import type { Subject, SubjectClient } from './subject.ts';

/** What sessions need. */
export interface SessionWorld {
  readonly env: Env;
  readonly programs: Programs;
  /** Ends everything that is under way. */
  readonly signal: AbortSignal;
  /** Clients that start at the same time: that is what costs processor time. */
  readonly starts: Gate;
  /** Clients that run at the same time: each costs memory. */
  readonly clients: Gate;
}

/** How one attempt ended. */
export interface Reached {
  /** The small page came, whole, in time. */
  readonly isReached: boolean;
  /** From the start of the client, as a program, to the last byte of the page; null if it did not come. */
  readonly bootstrapMs: number | null;
  /** How far the last try came; null if the page did. */
  readonly why: string | null;
}

/** What came of one try to fetch something, or how far it came. */
type Fetched = { readonly got: Download; readonly why: null } | { readonly got: Download | null; readonly why: string };

const RETRY_MS = 500;
/** Nobody waits longer for a download that does not move. */
const STALL_MS = 45_000;
/** A client that is not ready by then only waits for the network: others may start. */
const START_MS = 3_000;

/** A started client, for as long as the callback runs. */
export async function withClient<T>(
  world: SessionWorld,
  options: { readonly subject: Subject; readonly censor: CellCensor; readonly userHost: string },
  use: (client: SubjectClient, startedMs: number) => Promise<T>,
): Promise<T> {
  const { env, programs, starts, clients, signal } = world;
  return clients.run(async () => {
    signal.throwIfAborted();
    const leave = await starts.enter();
    const cancel = env.clock.setTimer(START_MS, leave);
    try {
      const startedMs = performance.now();
      const route = options.censor.routeFor(options.userHost);
      await using client = await options.subject.startClient(programs, route);
      void client.ready(AbortSignal.timeout(START_MS)).then(leave, leave);
      return await use(client, startedMs);
    } finally {
      cancel();
      leave();
    }
  });
}

/** Fetches the page, with `attemptMs` for each try, until it comes whole or the signal says that it is too late. */
export async function fetchPage(
  env: Env,
  client: SubjectClient,
  { attemptMs, signal }: { readonly attemptMs: number; readonly signal: AbortSignal },
): Promise<Fetched> {
  const page = await fetchOnce(client, {
    bytes: PAGE_BYTES,
    signal: AbortSignal.any([signal, AbortSignal.timeout(attemptMs)]),
  });
  if (page.why === null || signal.aborted) return page;
  await sleep(env, RETRY_MS, signal).catch(() => {});
  return signal.aborted ? page : fetchPage(env, client, { attemptMs, signal });
}

async function fetchOnce(client: SubjectClient, options: DownloadOptions): Promise<Fetched> {
  let why = 'the client was not ready';
  try {
    await client.ready(options.signal);
    why = 'the client connected to nothing';
    const got = await download(await client.connect(options.signal), options);
    if (got.isWhole) return { got, why: null };
    return { got, why: got.bytes === 0 ? 'no byte came' : 'only a part came' };
  } catch {
    return { got: null, why };
  }
}

/** Whether a user with a fresh client gets the page within twice `attemptMs`. */
export function tryToReach(
  world: SessionWorld,
  options: {
    readonly subject: Subject;
    readonly censor: CellCensor;
    readonly userHost: string;
    readonly attemptMs: number;
  },
): Promise<Reached> {
  const { attemptMs } = options;
  return withClient(world, options, async (client, startedMs) => {
    const signal = AbortSignal.any([world.signal, AbortSignal.timeout(2 * attemptMs)]);
    const { why } = await fetchPage(world.env, client, { attemptMs, signal });
    return { isReached: why === null, bootstrapMs: why === null ? performance.now() - startedMs : null, why };
  });
}

/** How a long download went. */
export interface Survival extends Download {
  readonly wantedBytes: number;
  /** Connections that the censor has seen of this user. */
  readonly connections: number;
  /** How far it came; null if it is whole. */
  readonly why: string | null;
}

/** One long download through a fresh client. */
export function tryToSurvive(
  world: SessionWorld,
  options: {
    readonly subject: Subject;
    readonly censor: CellCensor;
    readonly userHost: string;
    readonly bytes: number;
    readonly rate: number;
    readonly capMs: number;
  },
): Promise<Survival> {
  const { bytes, rate, censor, userHost, capMs } = options;
  return withClient(world, options, async (client) => {
    const signal = AbortSignal.any([world.signal, AbortSignal.timeout(capMs)]);
    const none = { bytes: 0, isWhole: false, ms: capMs, firstByteMs: null, longestStallMs: capMs };
    const { got, why } = await fetchOnce(client, { bytes, rate, signal, patienceMs: STALL_MS });
    return { ...(got ?? none), why, wantedBytes: bytes, connections: censor.counts(userHost).connections };
  });
}
