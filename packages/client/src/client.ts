import { isDeepStrictEqual } from 'node:util';
import type { ServerEntry, TacticsSettings } from '@rozan/protocol';
import {
  AdaptivePlan,
  type CarrierPlan,
  type Env,
  FixedPlan,
  LimitFinder,
  NO_ROTATION,
  type RotationPolicy,
  type SocketAddress,
  TunnelError,
} from '@rozan/tunnel';
import { BypassOpener } from './bypass/bypass-opener.ts';
import type { BypassRules } from './bypass/bypass-rules.ts';
import { DialLimits } from './establish/dial-limits.ts';
import { type AttemptFailure, FailureCounts } from './establish/failures.ts';
import { FirstWrites } from './establish/first-writes.ts';
import { createNameResolver, type NameResolver } from './establish/name-resolver.ts';
import { type DescribeNetwork, describeThisNetwork } from './establish/network-name.ts';
import { type CarrierCount, latestAttestedMs, RelayDialer } from './establish/relay-dialer.ts';
import { type MemoryStore, WayMemory } from './establish/way-memory.ts';
import { DIALS_PER_HOST } from './limits.ts';
import { createLocalProxies, type LocalProxies } from './local-proxy/local-proxies.ts';
import { saveData } from './metered.ts';
import { SessionPool } from './session-pool.ts';
import { type ClientTactics, openTactics } from './tactics/open-tactics.ts';

/** A client's configuration. */
export interface ClientConfig {
  /** The preferred ones first; none only for a client that gets some later. */
  readonly entries: readonly ServerEntry[];
  readonly socks: SocketAddress;
  readonly http: SocketAddress;
  /** Tell applications of success only once the relay has connected to the target. */
  readonly strictReplies?: boolean | undefined;
  readonly rotation?: RotationPolicy | undefined;
  /** One carrier unless said. */
  readonly carriers?: CarrierCount | undefined;
  /** Whether the client finds out itself how many carriers to use, and for how long each; then `rotation` is of no use, and `carriers` a bound. */
  readonly adaptive?: boolean | undefined;
  /** Starting values from those who run the network; none unless said. */
  readonly tactics?: ClientTactics | undefined;
  /** Where it keeps what it learns of ways to relays; without, it forgets with its end. */
  readonly memory?: MemoryStore | undefined;
  /** How names of relays are resolved; as the system does unless said. */
  readonly resolve?: NameResolver | undefined;
  /** What tells one network from another; the routes and addresses of this machine unless said. */
  readonly describeNetwork?: DescribeNetwork | undefined;
  /** Called after each minute without success. */
  readonly refreshLists?: ((signal: AbortSignal) => Promise<void>) | undefined;
  /** Whether it tells by events what it tries, and why that fails. */
  readonly explain?: boolean | undefined;
  /** Places that are reached past the tunnel; none unless said. Asked for each stream. */
  readonly bypass?: (() => BypassRules | null) | undefined;
  /** The region whose relays are tried first; none unless said. Asked for each pass. */
  readonly region?: (() => string | null) | undefined;
  /** Whether the line is paid by the megabyte; not, unless said. Asked for each pass and session. */
  readonly isMetered?: (() => boolean) | undefined;
  /** Whether it begins without a session, until its pool is resumed. */
  readonly isPaused?: boolean | undefined;
}

/** A running client. Disposing it ends its sessions and proxies. */
export interface Client extends AsyncDisposable {
  readonly proxies: LocalProxies;
  readonly pool: SessionPool;
  /** Attempts that have failed, by kind, for the statistics. */
  readonly failures: FailureCounts;
  /** From now on these are its entries; sessions with others go on. Those of which it has no transport are left out. */
  setEntries(entries: readonly ServerEntry[]): void;
  /** Looks for a relay of the region that is wanted now, if it knows any; what runs goes on where it is. */
  moveToRegion(): void;
  /** Connections past the tunnel that are open. */
  directCount(): number;
  /** Resets those connections: what was allowed to them does not hold any more. */
  endDirect(): void;
  /** Looks for newer tactics now. Never rejects. */
  refreshTactics(): Promise<void>;
  /** The time that relays have told, in ms since 1970; null before one has. */
  attestedMs(): number | null;
  /** Resolves when a session is up and a stream can be opened. Rejects with the signal's reason. */
  ready(signal: AbortSignal): Promise<void>;
}

/** What is learnt of the network, by the `finder`, is shared by all sessions. */
function plansOf(
  env: Env,
  { adaptive, rotation = NO_ROTATION }: ClientConfig,
  { finder, tactics }: { readonly finder: LimitFinder; readonly tactics: () => TacticsSettings },
): (dialer: RelayDialer) => CarrierPlan {
  return ({ carriers }) => {
    if (!adaptive) return new FixedPlan(env.random, { rotation, carriers });
    const { carriers: usefulCarriers, canaryShare } = tactics();
    return new AdaptivePlan(env.random, { mostCarriers: carriers, usefulCarriers, canaryShare, finder });
  };
}

/** Dialers for these entries: those that there are, as far as they fit, and new ones for the rest. */
function dialersOf(
  entries: readonly ServerEntry[],
  before: readonly RelayDialer[],
  create: (entry: ServerEntry) => RelayDialer,
): RelayDialer[] {
  return entries.flatMap((entry) => {
    const known = before.find((dialer) => isDeepStrictEqual(dialer.entry, entry));
    if (known !== undefined) return known;
    try {
      return create(entry);
    } catch (error) {
      if (error instanceof TunnelError) return [];
      throw error;
    }
  });
}

/** Has new streams go through a relay of the region, if one is known. */
function moveToRegion(pool: SessionPool, dialers: readonly RelayDialer[], region: string | null): void {
  const isWanted = ({ entry }: RelayDialer) => entry.region === region;
  if (dialers.some(isWanted)) pool.leave((dialer) => !isWanted(dialer));
}

/** Starts a client. Throws a `LocalProxyError` when a proxy cannot listen, a `TunnelError` when an entry has no transport of ours. */
export async function createClient(config: ClientConfig, env: Env): Promise<Client> {
  await using stack = new AsyncDisposableStack();
  const finder = new LimitFinder();
  const dialers: RelayDialer[] = [];
  const keeper = stack.use(await openTactics(env, config, { finder, dialers }));
  const saving = { adaptive: config.adaptive ?? false };
  const tactics = () => {
    const settings = keeper?.settings ?? {};
    return config.isMetered?.() ? saveData(settings, saving) : settings;
  };
  const limits = new DialLimits(() => tactics().dialsPerHost ?? DIALS_PER_HOST);
  const failures = new FailureCounts();
  const onFailure = (failure: AttemptFailure) => failures.add(failure);
  const firstWrites = new FirstWrites();
  const isCounted = () => finder.found.bytes !== null;
  const tools = { limits, firstWrites, onFailure, isCounted, tactics, resolve: config.resolve ?? createNameResolver() };
  const dialerFor = (entry: ServerEntry) => new RelayDialer(env, entry, { count: config.carriers, tools });
  dialers.push(...config.entries.map(dialerFor));
  const { memory: store = null, describeNetwork: describe = describeThisNetwork, explain, isPaused } = config;
  const memory = await WayMemory.open(env, { store, describe });
  const planFor = plansOf(env, config, { finder, tactics });
  const refreshLists = async (signal: AbortSignal) => {
    await keeper?.refresh();
    await config.refreshLists?.(signal);
  };
  const pool = stack.use(
    new SessionPool(env, {
      dialers,
      memory,
      limits,
      firstWrites,
      onFailure,
      refreshLists,
      explain,
      planFor,
      tactics,
      isPaused,
      region: config.region,
    }),
  );
  const over = new AbortController();
  stack.defer(() => over.abort());
  // A relay has told the time.
  const judge = () => keeper?.judge();
  if (keeper !== null) pool.ready(over.signal).then(judge, () => {});
  const { socks, http, strictReplies, bypass: rules = () => null } = config;
  // Of its own: many domestic names at once, or a resolver that hangs, must not keep the names of relays waiting.
  const resolve = config.resolve ?? createNameResolver();
  const opener = new BypassOpener(env, { tunnel: pool, rules, resolve });
  const proxies = stack.use(await createLocalProxies(env, { socks, http, strictReplies, opener }));
  const running = stack.move();
  return {
    proxies,
    pool,
    failures,
    // In place: whoever looks for a relay looks here each time.
    setEntries: (entries) => void dialers.splice(0, dialers.length, ...dialersOf(entries, dialers, dialerFor)),
    moveToRegion: () => moveToRegion(pool, dialers, config.region?.() ?? null),
    directCount: () => opener.direct,
    endDirect: () => opener.endDirect(),
    refreshTactics: async () => await keeper?.refresh(),
    attestedMs: () => latestAttestedMs(dialers),
    ready: (signal) => pool.ready(signal),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
