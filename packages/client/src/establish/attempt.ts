import { type ClientAttach, parseHostPort, type ServerEntry } from '@rozan/protocol';
import {
  type AttachedCarrier,
  attachOver,
  attachThrough,
  type Env,
  ipVersion,
  type Network,
  type RelayClock,
  type RelayIdentity,
  TunnelError,
} from '@rozan/tunnel';
import type { Candidate } from './candidates.ts';
import { type AttemptFailure, codeOf, type Phase } from './failures.ts';
import type { NameResolver } from './name-resolver.ts';

/** For how long an attempt goes on while nothing comes: until there is a connection, and from then on for each further step. */
export interface Patience {
  readonly connectMs: number;
  readonly answerMs: number;
}

/** A relay, and what is known of its clock. */
export interface KnownRelay {
  readonly entry: Pick<ServerEntry, 'key' | 'secret' | 'tag'>;
  readonly relayClock: RelayClock;
}

/** What an attempt needs. */
export interface AttemptOptions {
  readonly entry: Pick<ServerEntry, 'key' | 'secret' | 'tag'>;
  /** The home of the session, if the relay of the candidate is only to forward to it. */
  readonly home?: KnownRelay | undefined;
  readonly relayClock: RelayClock;
  readonly resolve: NameResolver;
  readonly patience: Patience;
  readonly nextAttach: () => ClientAttach;
  readonly signal: AbortSignal;
  readonly onPhase?: ((phase: Phase) => void) | undefined;
  /** Told of a failure of the attempt itself, not of its having been stopped. */
  readonly onFailure?: ((failure: AttemptFailure) => void) | undefined;
}

/** Makes one carrier by one candidate. Rejects with a `TunnelError` or the signal's reason; nothing stays open then. */
export async function attemptCarrier(
  env: Env,
  candidate: Candidate,
  options: AttemptOptions,
): Promise<AttachedCarrier> {
  const { patience, signal: stop } = options;
  const tooLong = new AbortController();
  let phase: Phase = 'resolve';
  let cancelTimer = () => {};
  const wait = (ms: number) => {
    cancelTimer();
    cancelTimer = env.clock.setTimer(ms, () => tooLong.abort());
  };
  const enter = (next: Phase) => {
    if (next !== 'resolve' && next !== 'connect') wait(patience.answerMs);
    phase = next;
    options.onPhase?.(next);
  };
  wait(patience.connectMs);
  enter('resolve');
  try {
    return await run(env, candidate, { ...options, enter, signal: AbortSignal.any([stop, tooLong.signal]) });
  } catch (cause) {
    stop.throwIfAborted();
    const error = tooLong.signal.aborted ? new TunnelError('timed-out', 'the relay did not answer in time') : cause;
    const { tag, transport } = candidate;
    options.onFailure?.({ tag, transport: transport.name, phase, code: codeOf(error) });
    throw error;
  } finally {
    cancelTimer();
  }
}

async function run(
  env: Env,
  candidate: Candidate,
  options: AttemptOptions & { readonly enter: (phase: Phase) => void },
): Promise<AttachedCarrier> {
  const { entry, relayClock, home, resolve, nextAttach, signal, enter } = options;
  signal.throwIfAborted();
  const { host, port } = parseHostPort(candidate.address);
  const address = { host: ipVersion(host) === 0 ? await resolve(host, signal) : host, port };
  signal.throwIfAborted();
  enter('connect');
  const network = tellingConnects(env.network, () => enter('dress'));
  const { transport, params } = candidate;
  const conn = await transport.dial({ ...env, network }, { address, params, signal });
  enter(home === undefined ? 'handshake' : 'forward');
  const common = { attach: nextAttach(), transport: transport.name, signal };
  const relay = identityOf(entry);
  if (home === undefined) return await attachOver(env, conn, { ...common, relay, relayClock });
  return await attachThrough(env, conn, {
    ...common,
    relay: identityOf(home.entry),
    relayClock: home.relayClock,
    forwarder: { relay, relayClock, tag: entry.tag },
  });
}

function identityOf({ key, secret }: KnownRelay['entry']): RelayIdentity {
  return { publicKey: key, accessSecret: secret };
}

/** The same network, which tells when its first connection is made. */
function tellingConnects(network: Network, onConnect: () => void): Network {
  let isTold = false;
  return {
    dial: async (...given) => {
      const conn = await network.dial(...given);
      if (!isTold) onConnect();
      isTold = true;
      return conn;
    },
    listen: (...given) => network.listen(...given),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
}
