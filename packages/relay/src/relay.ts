import { totalmem } from 'node:os';
import { keyPairOf, prepareChannel, ReplayMemory } from '@rozan/protocol';
import type { Env } from '@rozan/tunnel';
import { Acceptor, type HandshakeOutcome, type ReplayGuard } from './accept/acceptor.ts';
import { Listeners } from './accept/listeners.ts';
import type { RelayConfig, TransportAddress } from './data-folder/relay-config.ts';
import { openReplayFile, type ReplayFile } from './data-folder/replay-file.ts';
import { openStampMark, type StampMark } from './data-folder/stamp-mark.ts';
import { createEgress } from './egress/dial.ts';
import type { AllowRule } from './egress/guard.ts';
import { readOwnAddresses } from './egress/own-addresses.ts';
import { createResolver } from './egress/resolver.ts';
import { DETACHED_BOUNDS, SOURCE_BOUNDS } from './limits/constants.ts';
import { budgetBounds, MemoryBudget } from './limits/memory-budget.ts';
import { SourceLimits } from './limits/source-limits.ts';
import type { SessionCounters } from './relay-session.ts';
import { SessionRegistry } from './session-registry.ts';
import { StrangerHall } from './strangers/stranger-hall.ts';

/** What `createRelay` needs. */
export interface RelayOptions {
  readonly config: RelayConfig;
  /** The file of unsynced handshakes; see `openReplayFile`. Beside it lies the mark of synced ones; see `openStampMark`. */
  readonly replayPath: string;
  readonly egressAllow: readonly AllowRule[];
  /** Name servers to ask instead of the machine's own resolver. */
  readonly dnsServers?: readonly string[] | undefined;
  readonly counters: RelayCounters;
  /** Memory of the machine in bytes, of which the relay takes a share; read from the system without. */
  readonly machineBytes?: number | undefined;
}

/** What a relay counts. */
export interface RelayCounters extends SessionCounters {
  handshake(outcome: HandshakeOutcome): void;
}

/** Numbers of this moment. */
export interface RelayStatus {
  readonly sessions: number;
  readonly detachedSessions: number;
  readonly streams: number;
  readonly strangers: number;
  readonly heldBytes: number;
  readonly draining: boolean;
}

/** A running relay. Disposing it ends its sessions (their streams are reset with `relay-shutdown`) and closes its listeners. */
export interface Relay extends AsyncDisposable {
  /** Where it listens, by transport, with the ports that were picked. */
  readonly listen: readonly TransportAddress[];
  status(): RelayStatus;
  /** Takes no new sessions and asks clients to open new streams elsewhere; what runs goes on. */
  drain(): void;
}

function createReplayGuard(
  env: Env,
  memory: ReplayMemory,
  { file, mark }: { readonly file: ReplayFile; readonly mark: StampMark },
): ReplayGuard {
  return async (flight) => {
    const verdict = memory.check({ ...flight, nowMs: env.clock.wallMs() });
    if (verdict.kind !== 'fresh') return verdict.kind;
    const kept = verdict.persist === null ? mark.cover(flight.stampMs) : file.append(verdict.persist);
    return kept.then(
      () => 'fresh',
      () => 'full',
    );
  };
}

function createRegistry(env: Env, options: RelayOptions, budget: MemoryBudget): SessionRegistry {
  const { dnsServers: servers, egressAllow: allow, counters } = options;
  const resolver = createResolver(env.clock, { servers });
  const egress = createEgress(env, { resolver, rules: { allow, ownAddresses: readOwnAddresses() } });
  return new SessionRegistry({ env, egress, budget, streamsPerSession: SOURCE_BOUNDS.streamsPerSession, counters });
}

/**
 * Starts a relay. Rejects with a `TunnelError` when it cannot listen, with a `RelayError` when its file of handshakes cannot be opened;
 * nothing is left behind then.
 */
export async function createRelay(options: RelayOptions, env: Env): Promise<Relay> {
  await using stack = new AsyncDisposableStack();
  const { config } = options;
  const budget = new MemoryBudget(env.clock, budgetBounds(options.machineBytes ?? totalmem()));
  stack.defer(() => budget.close());
  const nowMs = env.clock.wallMs();
  const mark = await openStampMark(`${options.replayPath}-mark`);
  stack.defer(() => mark.close());
  const behindMs = mark.clockBehindMs(nowMs);
  if (behindMs > 0) env.log({ event: 'clock.behind', byMs: behindMs });
  const memory = new ReplayMemory({ startMs: Math.max(nowMs, mark.restoredMs + 1) });
  const replayFile = await openReplayFile(options.replayPath, { memory, nowMs });
  stack.defer(() => replayFile.close());
  const registry = createRegistry(env, options, budget);
  stack.defer(() => registry.closeAll('relay-shutdown'));
  const strangers = new StrangerHall(env, {
    idleMs: config.strangerIdleMs,
    onFull: () => {
      env.log({ event: 'listen.paused' });
      listeners.close().catch(() => {});
    },
    onRoom: () => {
      env.log({ event: 'listen.resumed' });
      listeners.open().catch(() => env.log({ event: 'listen.failed' }));
    },
  });
  stack.defer(() => strangers.close());
  const acceptor = new Acceptor(env, {
    relayKey: keyPairOf(config.staticKey),
    channels: config.channels.map(({ id, accessSecret }) => prepareChannel(id, accessSecret)),
    replayGuard: createReplayGuard(env, memory, { file: replayFile, mark }),
    registry,
    limits: new SourceLimits(env.clock, env.random),
    strangers,
    retentionMs: DETACHED_BOUNDS.retentionMs,
    onOutcome: (outcome) => options.counters.handshake(outcome),
  });
  const listeners = new Listeners(env, config.listen, (conn, transport) => acceptor.accept(conn, transport));
  stack.defer(() => listeners.close());
  await listeners.open();
  const running = stack.move();
  return {
    listen: listeners.places,
    status: () => ({
      sessions: registry.size,
      detachedSessions: registry.detachedCount,
      streams: registry.streamCount,
      strangers: strangers.count,
      heldBytes: budget.chargedBytes,
      draining: registry.draining,
    }),
    drain: () => registry.drain(),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
