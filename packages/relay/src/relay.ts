import { totalmem } from 'node:os';
import { type Channel, type ClientFlight, type KeyPair, type ReplayEntry, ReplayMemory } from '@rozan/protocol';
import { type Conn, type Env, findTransport, type SocketAddress, type TransportListener, TunnelError } from '@rozan/tunnel';
import { Acceptor, type HandshakeOutcome } from './accept/acceptor.ts';
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

/** Keeps unsynced first flights over a restart. */
export interface ReplayStore {
  /** What earlier runs have stored and still counts. */
  entries(): Iterable<ReplayEntry>;
  /** Resolves when the entry is stored. Rejects when it cannot be; the flight is refused then. */
  append(entry: ReplayEntry): Promise<void>;
}

/** A place where a relay listens. */
export interface ListenAt {
  readonly transport: string;
  readonly address: SocketAddress;
}

/** A relay's configuration, secrets included. */
export interface RelayConfig {
  readonly relayKey: KeyPair;
  readonly channels: readonly Channel[];
  readonly listen: readonly ListenAt[];
  readonly egressAllow: readonly AllowRule[];
  /** Name servers (`address` or `address:port`); the system's resolver without. */
  readonly dnsServers?: readonly string[] | undefined;
  readonly strangerIdleMs: number;
  readonly replayStore: ReplayStore;
  /** Counts for metrics; see metrics/. */
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
  readonly listen: readonly ListenAt[];
  status(): RelayStatus;
  /** Takes no new sessions and asks clients to open new streams elsewhere; what runs goes on. */
  drain(): void;
}

/** The listeners of a relay: opened together, closed while the relay is full of strangers, opened again after. */
class Listeners {
  readonly #env: Env;
  readonly #onConn: (conn: Conn, transport: string) => void;
  #places: readonly ListenAt[];
  #open: TransportListener[] = [];

  constructor(env: Env, places: readonly ListenAt[], onConn: (conn: Conn, transport: string) => void) {
    this.#env = env;
    this.#places = places;
    this.#onConn = onConn;
  }

  get places(): readonly ListenAt[] {
    return this.#places;
  }

  async open(): Promise<void> {
    const places: ListenAt[] = [];
    for (const { transport: name, address } of this.#places) {
      const transport = findTransport(name);
      if (transport === null) throw new TunnelError('bad-params', `there is no transport named ${name}`);
      const onConn = (conn: Conn) => this.#onConn(conn, name);
      const listener = await transport.listen(this.#env, { address, onConn });
      this.#open.push(listener);
      places.push({ transport: name, address: listener.address });
    }
    // A port that was picked is kept, so that opening again finds the same one.
    this.#places = places;
  }

  async close(): Promise<void> {
    const open = this.#open;
    this.#open = [];
    await Promise.all(open.map((listener) => listener.close()));
  }
}

function createReplayGuard(env: Env, store: ReplayStore): (flight: ClientFlight) => Promise<'fresh' | 'stale' | 'replayed' | 'full'> {
  const memory = new ReplayMemory({ startMs: env.clock.wallMs() });
  memory.restore(store.entries(), env.clock.wallMs());
  return async (flight) => {
    const verdict = memory.check({ ...flight, nowMs: env.clock.wallMs() });
    if (verdict.kind !== 'fresh' || verdict.persist === null) return verdict.kind;
    return store.append(verdict.persist).then(
      () => 'fresh',
      () => 'full',
    );
  };
}

/** Starts a relay. Rejects with a `TunnelError` when it cannot listen; nothing is left behind then. */
export async function createRelay(config: RelayConfig, env: Env): Promise<Relay> {
  await using stack = new AsyncDisposableStack();
  const resolver = createResolver(env.clock, config.dnsServers === undefined ? {} : { servers: config.dnsServers });
  const rules = { allow: config.egressAllow, ownAddresses: readOwnAddresses() };
  const budget = new MemoryBudget(env.clock, budgetBounds(config.machineBytes ?? totalmem()));
  stack.defer(() => budget.close());
  const registry = new SessionRegistry({
    env,
    egress: createEgress(env, { resolver, rules }),
    budget,
    streamsPerSession: SOURCE_BOUNDS.streamsPerSession,
    counters: config.counters,
  });
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
    relayKey: config.relayKey,
    channels: config.channels,
    replayGuard: createReplayGuard(env, config.replayStore),
    registry,
    limits: new SourceLimits(env.clock, env.random),
    strangers,
    retentionMs: DETACHED_BOUNDS.retentionMs,
    onOutcome: (outcome) => config.counters.handshake(outcome),
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
