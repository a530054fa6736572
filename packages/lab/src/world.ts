import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Client, type ClientConfig, createClient } from '@rozan/client';
import { parseServerEntry, parseShareLink, type ServerEntry } from '@rozan/protocol';
import {
  type AllowRule,
  createEntryLink,
  createRelay,
  createRelayFolder,
  openMembership,
  openRelayFolder,
  parseAllowRule,
  type Relay,
  type RelayCounters,
  RelayMetrics,
} from '@rozan/relay';
import { type Env, type SocketAddress, TRANSPORTS } from '@rozan/tunnel';
import { programVersion } from '@rozan/tunnel/program';

/** A relay of a world, with the entry that leads to it. */
export interface WorldRelay extends AsyncDisposable {
  readonly relay: Relay;
  readonly entry: ServerEntry;
  readonly link: string;
  /** Where it listens by its first transport. */
  readonly address: SocketAddress;
  readonly folder: string;
}

/** How a relay of a world is made. */
export interface WorldRelayOptions {
  /** Its data folder; made when it is missing, and kept. */
  readonly folder: string;
  readonly egressAllow?: readonly AllowRule[];
  /** What its entry says instead of where it listens, such as the address of a censor in front of it. */
  readonly reachableAt?: readonly SocketAddress[];
  readonly counters?: RelayCounters;
  /** The longest time between two reports of one that has enrolled, in ms, if it is to be another than usual. */
  readonly reportMs?: number;
  readonly machineBytes?: number;
}

const ANY_PORT: SocketAddress = { host: '127.0.0.1', port: 0 };

/** A folder for one run; disposing removes it with all that is in it. */
export interface ScratchFolder extends AsyncDisposable {
  readonly path: string;
}

/** Makes a folder that only this user can look into. */
export async function createScratchFolder(): Promise<ScratchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'rozan-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Lets relays reach one place on this machine. */
export function ruleFor({ host, port }: SocketAddress): AllowRule {
  const rule = parseAllowRule(`${host}/32:${port}`);
  if (rule === null) throw new Error('the rule for a place on this machine is well formed');
  return rule;
}

/** An address on loopback at which nobody listens at the moment. */
export async function freeAddress(env: Env): Promise<SocketAddress> {
  const listener = await env.network.listen(ANY_PORT, (conn) => conn.destroy());
  await listener.close();
  return listener.address;
}

/** Starts a relay in its folder, the same way `rozan relay` does; one that has enrolled reports to its control plane. */
export async function startRelay(env: Env, options: WorldRelayOptions): Promise<WorldRelay> {
  await using stack = new AsyncDisposableStack();
  const existing = await openRelayFolder(options.folder).catch(() => null);
  existing?.close();
  if (existing === null) {
    const [transport] = TRANSPORTS.map(({ name }) => name);
    if (transport === undefined) throw new Error('there is no transport');
    const listen = [{ transport, address: await freeAddress(env), settings: {} }];
    const addresses = (options.reachableAt ?? []).map((address) => ({ transport, address }));
    await createRelayFolder(env.random, options.folder, { listen, addresses });
  }
  const folder = await openRelayFolder(options.folder);
  stack.defer(() => folder.close());
  const { config, replayPath } = folder;
  const { reportMs } = options;
  const membership = await openMembership(env, {
    folder: folder.path,
    programVersion: await programVersion(),
    reportMs,
  });
  const counters = options.counters ?? new RelayMetrics();
  const { egressAllow = [], machineBytes } = options;
  const own = { config, replayPath, egressAllow, counters, machineBytes };
  const relay = stack.use(await createRelay(membership?.setup(own) ?? own, env));
  if (membership !== null && counters instanceof RelayMetrics) {
    counters.observe(() => relay.status());
    stack.use(membership.follow({ ...relay, metrics: counters }));
  }
  const [place] = relay.listen;
  if (place === undefined) throw new Error('a relay of a world listens somewhere');
  const link = createEntryLink(config, 'default', env.clock.wallMs());
  const { entry } = parseServerEntry(parseShareLink(link));
  const running = stack.move();
  return {
    relay,
    entry,
    link,
    address: place.address,
    folder: options.folder,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** Makes relays siblings of each other. */
export function makeSiblings(relays: readonly Pick<WorldRelay, 'relay' | 'entry'>[]): void {
  for (const { relay, entry } of relays) {
    relay.setSiblings(relays.filter((other) => other.entry !== entry).map((other) => other.entry));
  }
}

/** Starts a client with proxies at free ports of 127.0.0.1, unless the configuration says otherwise. */
export function startClient(env: Env, config: Partial<ClientConfig> & Pick<ClientConfig, 'entries'>): Promise<Client> {
  return createClient({ socks: ANY_PORT, http: ANY_PORT, ...config }, env);
}
