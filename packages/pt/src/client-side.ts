import { type Client, createClient } from '@rozan/client';
import { formatHostPort, parseServerEntry, type ServerEntry, signServerEntry, type Target } from '@rozan/protocol';
import {
  type Conn,
  type Env,
  type Network,
  type SocketAddress,
  splice,
  type Transport,
  TunnelError,
} from '@rozan/tunnel';
import { type Bridge, parseBridge } from './bridge-arguments.ts';
import type { ClientRequest } from './environment.ts';
import { MAX_BRIDGES, MAX_CONNECTIONS, SOCKS_REQUEST_MS } from './limits.ts';
import { methodName, type SideContext, transportOf } from './methods.ts';
import { SocksGate, type SocksRequest, socksReply } from './socks-gate.ts';

const ANY_PORT: SocketAddress = { host: '127.0.0.1', port: 0 };
const DAY_MS = 24 * 3600 * 1000;

/** What clients ask bridges for. A bridge has one place to go, whatever it is asked for; the name is in docs/spec/pt.md. */
export const OR_TARGET: Target = { host: '127.0.0.1', port: 1 };

/** What the client side is given. */
export interface ClientContext extends SideContext {
  /** By which bridges are reached. */
  readonly outward: Network;
}

/** Offers a SOCKS port for each method that is ours; says so, and what is not. Disposing ends all that goes through them. */
export async function openClientSide(context: ClientContext, request: ClientRequest): Promise<AsyncDisposable> {
  const { env, outward, say } = context;
  await using stack = new AsyncDisposableStack();
  for (const method of request.methods) {
    const transport = transportOf(method);
    if (transport === null) {
      say(`CMETHOD-ERROR ${method} no such transport`);
      continue;
    }
    const door = stack.use(new SocksDoor(env, transport, outward));
    const address = await door.open();
    say(`CMETHOD ${method} socks5 ${formatHostPort(address)}`);
  }
  say('CMETHODS DONE');
  return stack.move();
}

/** A client has no proxies here, and so nothing to listen for. */
function withoutListening(network: Network): Network {
  return {
    dial: (...given) => network.dial(...given),
    listen: async (address) => ({ address, close: async () => {} }),
    bindDatagrams: (...given) => network.bindDatagrams(...given),
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
}

/** An entry as a relay would have signed it: what a client needs of it is in the arguments. */
function entryOf(
  env: Env,
  transport: Transport,
  { bridge, address }: { bridge: Bridge; address: SocketAddress },
): ServerEntry {
  const nowMs = env.clock.wallMs();
  const { key, secret, params } = bridge;
  transport.parseParams(params);
  const signed = signServerEntry(
    {
      key,
      secret,
      channel: 'bridge',
      issuedMs: nowMs,
      expiresMs: nowMs + DAY_MS,
      transports: [
        { transport: transport.name, addresses: [formatHostPort(address)], params: JSON.parse(JSON.stringify(params)) },
      ],
    },
    env.random.bytes(32),
  );
  return parseServerEntry(signed).entry;
}

/** One method: its SOCKS port, and a client for each bridge that it was asked for. */
class SocksDoor implements AsyncDisposable {
  readonly #env: Env;
  readonly #transport: Transport;
  readonly #outward: Network;
  readonly #conns = new Set<Conn>();
  /** By arguments and address; the least recently used first. */
  readonly #clients = new Map<string, Promise<Client>>();
  readonly #over = new AbortController();
  #close: () => Promise<void> = async () => {};

  constructor(env: Env, transport: Transport, outward: Network) {
    this.#env = env;
    this.#outward = outward;
    this.#transport = transport;
  }

  async open(): Promise<SocketAddress> {
    const listener = await this.#env.network.listen(ANY_PORT, (conn) => this.#accept(conn));
    this.#close = () => listener.close();
    return listener.address;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort(new TunnelError('session-closed', `${methodName(this.#transport)} is over`));
    await this.#close();
    for (const conn of this.#conns) conn.destroy();
    await Promise.all([...this.#clients.values()].map((client) => dispose(client)));
  }

  #accept(conn: Conn): void {
    conn.on('error', () => {});
    if (this.#conns.size >= MAX_CONNECTIONS) {
      conn.destroy();
      return;
    }
    this.#conns.add(conn);
    conn.once('close', () => this.#conns.delete(conn));
    const gate = new SocksGate();
    const cancelTimer = this.#env.clock.setTimer(SOCKS_REQUEST_MS, () => conn.destroy());
    const onData = (chunk: Buffer) => {
      for (const step of gate.receive(chunk)) {
        if (step.type === 'reply') conn.write(step.bytes);
        else {
          cancelTimer();
          conn.pause();
          conn.off('data', onData);
          if (step.type === 'refused') conn.end(step.bytes);
          else void this.#connect(conn, step.request);
        }
      }
    };
    conn.once('close', cancelTimer);
    conn.on('data', onData);
  }

  async #connect(conn: Conn, request: SocksRequest): Promise<void> {
    try {
      const client = await this.#clientFor(request);
      const stream = await client.pool.open(OR_TARGET, { signal: this.#over.signal });
      if (conn.destroyed) {
        stream.reset('cancelled');
        return;
      }
      if (request.rest.length > 0) conn.unshift(request.rest);
      conn.write(socksReply('succeeded'));
      splice(conn, stream, { resetB: () => stream.reset('connection-reset') });
    } catch {
      if (!conn.destroyed) conn.end(socksReply('failed'));
    }
  }

  /** Rejects when the arguments are none. */
  #clientFor({ address, args }: SocksRequest): Promise<Client> {
    const key = JSON.stringify([formatHostPort(address), ...[...args].sort()]);
    const known = this.#clients.get(key);
    const client = known ?? this.#createClient(address, args);
    this.#clients.delete(key);
    this.#clients.set(key, client);
    client.catch(() => this.#clients.delete(key));
    const [oldest] = this.#clients;
    if (oldest !== undefined && this.#clients.size > MAX_BRIDGES) {
      this.#clients.delete(oldest[0]);
      void dispose(oldest[1]);
    }
    return client;
  }

  async #createClient(address: SocketAddress, args: ReadonlyMap<string, string>): Promise<Client> {
    const bridge = parseBridge(args);
    if (bridge === null) throw new TunnelError('bad-params', 'the arguments of the bridge are not of their form');
    const env = { ...this.#env, network: withoutListening(this.#outward) };
    const entry = entryOf(env, this.#transport, { bridge, address });
    return await createClient({ entries: [entry], socks: ANY_PORT, http: ANY_PORT }, env);
  }
}

async function dispose(client: Promise<Client>): Promise<void> {
  const created = await client.catch(() => null);
  await created?.[Symbol.asyncDispose]();
}
