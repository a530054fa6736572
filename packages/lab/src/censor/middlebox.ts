// The censor between real programs, in user space and without root: it stands at the addresses that clients are given and forwards to the real
// servers. It sees streams and cuts them into segments; what has to be true of single packets needs a namespace.
import type { Conn, Env, Listener, Random, SocketAddress } from '@rozan/tunnel';
import { CensorEngine, type EngineCounts } from './engine.ts';
import type { FlowEvent, Tuple } from './flow.ts';
import { Link } from './link.ts';
import { MiddleboxDatagrams } from './middlebox-datagrams.ts';
import type { Policy } from './policy-file.ts';
import { type ProberOptions, startProbing } from './prober.ts';
import type { ProbeOrder, Verdict, VerdictLine } from './verdict.ts';

/** Where a server listens, and what a censor takes it for. */
export interface ServerPlace {
  /** Where it can be reached. */
  readonly actual: SocketAddress;
  /** The address and port that it stands for: rules look at these. */
  readonly seenAs: SocketAddress;
}

/** How a middlebox is set up. */
export interface MiddleboxOptions {
  /** For sampling; the environment's unless another is given, such as a seeded one. */
  readonly random?: Pick<Random, 'fraction'> | undefined;
  /** The address at which it listens for clients. */
  readonly listenHost?: string | undefined;
  readonly startHour?: number | undefined;
  readonly onVerdict?: ((line: VerdictLine) => void) | undefined;
  /** How fast its active prober is; without it nobody is probed. */
  readonly prober?: ProberOptions | undefined;
}

/** What has passed a middlebox, and on how much of it a rule has acted. */
export interface MiddleboxCounts {
  readonly connections: number;
  readonly acted: number;
}

/** What a prober has made of servers. */
export interface ProberCounts {
  /** Batteries of probes: of one rule, at one server. */
  readonly batteries: number;
  /** Those after which the server was taken for a proxy, and blocked. */
  readonly proxies: number;
}

/** So many connections that went silent are kept open; the oldest are then let go, unseen. Ours. */
const MAX_SILENT_LINKS = 4000;
const FIRST_PORT = 20_000;
const PORTS = 45_000;
const LOOPBACK = '127.0.0.1';

/** A censor between clients and servers. */
export class Middlebox implements AsyncDisposable {
  readonly #env: Env;
  readonly #options: MiddleboxOptions;
  readonly #engine: CensorEngine;
  readonly #listeners: Promise<Listener>[] = [];
  readonly #places = new Map<string, Promise<SocketAddress>>();
  readonly #links = new Set<Link>();
  readonly #counts = new Map<string, { connections: number; acted: number }>();
  readonly #datagrams: MiddleboxDatagrams;
  readonly #probed = new Set<string>();
  readonly #probing = new Set<Promise<void>>();
  #proxies = 0;
  readonly #stop = new AbortController();
  #nextPort = 0;

  constructor(policies: readonly Policy[], env: Env, options: MiddleboxOptions) {
    this.#env = env;
    this.#options = options;
    const { random = env.random, startHour, onVerdict } = options;
    this.#engine = new CensorEngine(policies, { random, tooFast: 'waits', startHour, onVerdict });
    this.#datagrams = new MiddleboxDatagrams(env, {
      judge: (event, actual) => this.#judge(event, actual),
      nextClientPort: () => this.#clientPort(),
      listenHost: this.#listenHost,
    });
  }

  /** What its prober has made of servers so far. */
  get prober(): ProberCounts {
    return { batteries: this.#probed.size, proxies: this.#proxies };
  }

  /** Resolves when no probe is under way. */
  async probesOver(): Promise<void> {
    while (this.#probing.size > 0) await Promise.all(this.#probing);
  }

  /** What the engine has counted, over all users. */
  get engineCounts(): EngineCounts {
    return this.#engine.counts;
  }

  get #listenHost(): string {
    return this.#options.listenHost ?? LOOPBACK;
  }

  /** Other policies from now on, for connections that are open too. One that has gone silent stays so. */
  setPolicies(policies: readonly Policy[]): void {
    this.#engine.setPolicies(policies);
    for (const link of this.#links) link.tick();
  }

  /** The ways of a user who is seen at this address: takes a server's place and gives the address to connect to. */
  routeFor(userHost: string): (place: ServerPlace) => Promise<SocketAddress> {
    return (place) => this.#once(`tcp ${userHost}`, place, () => this.#listen(userHost, place));
  }

  /** The same for UDP. */
  datagramRouteFor(userHost: string): (place: ServerPlace) => Promise<SocketAddress> {
    return (place) => this.#once(`udp ${userHost}`, place, () => this.#datagrams.listen(userHost, place));
  }

  /** Of one user, or of all together. Datagram flows count as connections. */
  counts(userHost?: string): MiddleboxCounts {
    const sum = { connections: 0, acted: 0 };
    for (const [host, count] of this.#counts) {
      if (userHost !== undefined && host !== userHost) continue;
      sum.connections += count.connections;
      sum.acted += count.acted;
    }
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const listeners = await Promise.allSettled(this.#listeners);
    await Promise.all(listeners.map((listener) => (listener.status === 'fulfilled' ? listener.value.close() : null)));
    for (const link of [...this.#links]) link.destroy();
    await this.#datagrams.close();
  }

  #once(kind: string, { actual, seenAs }: ServerPlace, make: () => Promise<SocketAddress>): Promise<SocketAddress> {
    const key = `${kind} ${actual.host} ${actual.port} ${seenAs.host} ${seenAs.port}`;
    const address = this.#places.get(key) ?? make();
    this.#places.set(key, address);
    return address;
  }

  #clientPort(): number {
    this.#nextPort = (this.#nextPort + 1) % PORTS;
    return FIRST_PORT + this.#nextPort;
  }

  async #listen(userHost: string, { actual, seenAs }: ServerPlace): Promise<SocketAddress> {
    const listening = this.#env.network.listen({ host: this.#listenHost, port: 0 }, (client) => {
      client.on('error', () => client.destroy());
      const tuple: Tuple = { transport: 'tcp', client: { host: userHost, port: this.#clientPort() }, server: seenAs };
      void this.#accept(client, tuple, actual);
    });
    this.#listeners.push(listening);
    return (await listening).address;
  }

  async #accept(client: Conn, tuple: Tuple, actual: SocketAddress): Promise<void> {
    const { signal } = this.#stop;
    const server = await this.#env.network.dial(actual, { signal }).catch(() => null);
    if (server === null || client.destroyed || signal.aborted) {
      server?.destroy();
      client.resetAndDestroy?.();
      client.destroy();
      return;
    }
    server.on('error', () => server.destroy());
    const link: Link = new Link({
      tuple,
      client,
      server,
      clock: this.#env.clock,
      judge: (event) => this.#judge(event, actual),
      onOver: () => this.#links.delete(link),
    });
    this.#links.add(link);
    link.start();
    this.#boundSilent();
  }

  #judge(event: FlowEvent, actual: SocketAddress): Verdict {
    const count = this.#countOf(event.tuple.client.host);
    const before = this.#engine.counts;
    const verdict = this.#engine.judge(event);
    const after = this.#engine.counts;
    count.connections += after.flows - before.flows;
    count.acted += after.acted - before.acted;
    for (const order of verdict.probes) {
      const probing = this.#probe(order, actual).finally(() => this.#probing.delete(probing));
      this.#probing.add(probing);
    }
    return verdict;
  }

  #countOf(host: string): { connections: number; acted: number } {
    const count = this.#counts.get(host) ?? { connections: 0, acted: 0 };
    this.#counts.set(host, count);
    return count;
  }

  /** A server is probed once by each rule: what it turned out to be is remembered by the engine. */
  async #probe(order: ProbeOrder, actual: SocketAddress): Promise<void> {
    const { prober, random = this.#env.random } = this.#options;
    const key = `${order.cause.policy} ${order.cause.rule} ${order.tuple.server.host} ${order.tuple.server.port}`;
    if (prober === undefined || this.#probed.has(key)) return;
    this.#probed.add(key);
    const bytes = (count: number): Buffer => this.#env.random.bytes(count);
    const env = { ...this.#env, random: { bytes, fraction: () => random.fraction() } };
    const isProxy = await startProbing(env, { order, actual, signal: this.#stop.signal, ...prober });
    if (isProxy) {
      this.#engine.block(order, this.#env.clock.monotonicMs());
      this.#proxies += 1;
    }
    prober.onFinding?.(isProxy);
  }

  #boundSilent(): void {
    if (this.#links.size <= MAX_SILENT_LINKS) return;
    for (const link of this.#links) {
      if (!link.isSilent) continue;
      link.destroy();
      return;
    }
  }
}

/** Starts a censor with one policy, or with several at once. It listens as soon as somebody is given a route. */
export function createMiddlebox(
  policies: Policy | readonly Policy[],
  env: Env,
  options: MiddleboxOptions = {},
): Middlebox {
  return new Middlebox([policies].flat(), env, options);
}
