import { totalmem } from 'node:os';
import { keyPairOf, prepareChannel, type ServerEntry } from '@rozan/protocol';
import { CertificateShelf, type CertificateState, type Conn, type Env } from '@rozan/tunnel';
import {
  Acceptor,
  type Handover,
  type HandshakeOutcome,
  type ReplayGuard,
  type SessionHomes,
} from './accept/acceptor.ts';
import { Listeners } from './accept/listeners.ts';
import type { RelayChannel, RelayConfig, TransportAddress } from './data-folder/relay-config.ts';
import { createEgress } from './egress/dial.ts';
import type { AllowRule } from './egress/guard.ts';
import { readOwnAddresses } from './egress/own-addresses.ts';
import { createResolver, type Resolver } from './egress/resolver.ts';
import { DETACHED_BOUNDS, SOURCE_BOUNDS } from './limits/constants.ts';
import { type ForwardBounds, ForwardLimits } from './limits/forward-limits.ts';
import { MemoryBudget } from './limits/memory-budget.ts';
import { SourceLimits } from './limits/source-limits.ts';
import { workerBounds } from './limits/worker-bounds.ts';
import type { SessionCounters } from './relay-session.ts';
import { type LookupWatcher, SessionRegistry } from './session-registry.ts';
import { type ForwardCounters, Forwarder } from './siblings/forwarder.ts';
import { Siblings } from './siblings/siblings.ts';
import { StrangerHall } from './strangers/stranger-hall.ts';

/** What every relay is told, whether it is one process or several. */
export interface RelaySetup {
  readonly config: RelayConfig;
  /** The relays with which it forwards; none without. */
  readonly siblings?: readonly ServerEntry[] | undefined;
  /** Certificates of authorities that are there at the start. */
  readonly certificates?: readonly CertificateState[] | undefined;
  readonly egressAllow: readonly AllowRule[];
  /** Name servers to ask instead of the machine's own resolver. */
  readonly dnsServers?: readonly string[] | undefined;
  /** Memory of the machine in bytes, of which the relay takes a share; read from the system without. */
  readonly machineBytes?: number | undefined;
}

/** What one serving process of a relay needs. */
export interface RelayCoreOptions extends RelaySetup {
  readonly counters: RelayCounters;
  readonly replayGuard: ReplayGuard;
  /** How many processes serve this relay, each with its share of the caps; 1 without. */
  readonly workers?: number | undefined;
  /** Whether this is the first of them, and so unless said. */
  readonly isFirst?: boolean | undefined;
  /** Where the sessions of the other processes are. */
  readonly homes?: SessionHomes | undefined;
  /** Tells the others which sessions are here. */
  readonly watcher?: LookupWatcher | undefined;
}

/** What a relay counts. */
export interface RelayCounters extends SessionCounters, ForwardCounters {
  handshake(outcome: HandshakeOutcome): void;
}

/** Numbers of this moment. */
export interface RelayStatus {
  readonly sessions: number;
  readonly detachedSessions: number;
  readonly streams: number;
  readonly strangers: number;
  /** Carriers that go on to other relays. */
  readonly forwarded: number;
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
  /** Takes new sessions again. */
  undrain(): void;
  /** From now on clients are taken under these secrets and no others; what runs goes on. A channel may have several. */
  setChannels(channels: readonly RelayChannel[]): void;
  /** From now on it forwards to, and for, these relays and no others; what runs goes on. */
  setSiblings(entries: readonly ServerEntry[]): void;
  /** From now on its listeners show these certificates of authorities; resolves when all of them do. */
  setCertificates(states: readonly CertificateState[]): Promise<void>;
}

/** One serving process of a relay. */
export interface RelayCore extends Relay {
  /** Takes a connection that another process of this relay has accepted. */
  acceptHandedOver(conn: Conn, from: Pick<Handover, 'source' | 'transport'>): void;
}

function createRegistry(
  env: Env,
  options: RelayCoreOptions,
  { budget, resolver }: { readonly budget: MemoryBudget; readonly resolver: Resolver },
): SessionRegistry {
  const { egressAllow: allow, counters } = options;
  const egress = createEgress(env, { resolver, rules: { allow, ownAddresses: readOwnAddresses() } });
  const { streamsPerSession } = SOURCE_BOUNDS;
  return new SessionRegistry({ env, egress, budget, streamsPerSession, counters }, options.watcher);
}

/** What passes carriers on to siblings, and counts those that come from them. */
function createForwarding(
  env: Env,
  options: RelayCoreOptions,
  given: { readonly bounds: ForwardBounds; readonly registry: SessionRegistry; readonly resolver: Resolver },
) {
  const { registry, resolver } = given;
  const siblings = new Siblings(env.clock, options.config.staticKey);
  siblings.set(options.siblings ?? []);
  const forwardLimits = new ForwardLimits(given.bounds);
  const forwarder = new Forwarder(env, {
    siblings,
    limits: forwardLimits,
    resolver,
    counters: options.counters,
    retentionMs: DETACHED_BOUNDS.retentionMs,
    isDraining: () => registry.draining,
  });
  return { siblings, forwarder, forwardLimits };
}

/** Starts what accepts and serves. Rejects with a `TunnelError` when it cannot listen; nothing is left behind then. */
export async function createRelayCore(options: RelayCoreOptions, env: Env): Promise<RelayCore> {
  await using stack = new AsyncDisposableStack();
  const { config } = options;
  const bounds = workerBounds(options.workers ?? 1, options.machineBytes ?? totalmem());
  const budget = new MemoryBudget(env.clock, bounds.budget);
  stack.defer(() => budget.close());
  const resolver = createResolver(env.clock, { servers: options.dnsServers });
  const registry = createRegistry(env, options, { budget, resolver });
  stack.defer(() => registry.closeAll('relay-shutdown'));
  const strangers = new StrangerHall(env, {
    idleMs: config.strangerIdleMs,
    bounds: bounds.strangers,
    onFull: () => {
      env.log({ event: 'listen.paused' });
      listeners.close().catch(() => {});
    },
    onRoom: () => {
      env.log({ event: 'listen.resumed' });
      listeners.openAgain();
    },
  });
  stack.defer(() => strangers.close());
  const forwarding = createForwarding(env, options, { bounds: bounds.forwards, registry, resolver });
  const { siblings, forwardLimits } = forwarding;
  stack.defer(() => forwarding.forwarder.close());
  const prepare = (list: readonly RelayChannel[]) =>
    list.map(({ id, accessSecret }) => prepareChannel(id, accessSecret));
  let channels = prepare(config.channels);
  const acceptor = new Acceptor(env, {
    relayKey: keyPairOf(config.staticKey),
    channels: () => channels,
    replayGuard: options.replayGuard,
    registry,
    limits: new SourceLimits(env.clock, env.random, bounds.sources),
    strangers,
    ...forwarding,
    retentionMs: DETACHED_BOUNDS.retentionMs,
    onOutcome: (outcome) => options.counters.handshake(outcome),
    homes: options.homes,
  });
  const certificates = new CertificateShelf(options.certificates);
  const listeners = new Listeners(env, config.listen, (conn, transport) => acceptor.accept(conn, transport), {
    isFirst: options.isFirst,
    certificates,
  });
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
      forwarded: forwardLimits.carriers,
      heldBytes: budget.chargedBytes,
      draining: registry.draining,
    }),
    drain: () => registry.drain(),
    undrain: () => registry.undrain(),
    setChannels: (list) => {
      channels = prepare(list);
    },
    setSiblings: (entries) => siblings.set(entries),
    setCertificates: async (states) => certificates.set(states),
    acceptHandedOver: (conn, from) => acceptor.acceptHandedOver(conn, from),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
