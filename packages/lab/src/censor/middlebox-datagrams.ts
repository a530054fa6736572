import type { DatagramSocket, Env, SocketAddress } from '@rozan/tunnel';
import type { FlowEvent, Side, Tuple } from './flow.ts';
import type { ServerPlace } from './middlebox.ts';
import type { Verdict } from './verdict.ts';

/** What the datagram half needs of its middlebox. */
export interface DatagramsOptions {
  readonly judge: (event: FlowEvent, actual: SocketAddress) => Verdict;
  readonly nextClientPort: () => number;
  readonly listenHost: string;
}

/** So long a flow without datagrams is known, as by an ordinary address translator. Ours. */
const IDLE_MS = 120_000;
/** So many flows at once, over all places; the oldest is forgotten. */
const MAX_FLOWS = 10_000;
const NOTHING = Buffer.alloc(0);

interface DatagramFlow {
  readonly tuple: Tuple;
  readonly actual: SocketAddress;
  readonly upstream: Promise<DatagramSocket>;
  readonly reply: (bytes: Buffer) => void;
  lastMs: number;
}

/** UDP through the middlebox: datagrams are lost one by one, as on a real path. */
export class MiddleboxDatagrams {
  readonly #env: Env;
  readonly #options: DatagramsOptions;
  readonly #sockets: DatagramSocket[] = [];
  readonly #flows = new Map<string, DatagramFlow>();

  constructor(env: Env, options: DatagramsOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Opens the place for one user and one server. */
  async listen(userHost: string, { actual, seenAs }: ServerPlace): Promise<SocketAddress> {
    const { listenHost, nextClientPort } = this.#options;
    const socket: DatagramSocket = await this.#env.network.bindDatagrams(
      { host: listenHost, port: 0 },
      (bytes, from) => {
        const key = `${socket.address.port} ${from.host} ${from.port}`;
        const client = { host: userHost, port: nextClientPort() };
        const make = { tuple: { transport: 'udp', client, server: seenAs } as const, actual };
        const flow =
          this.#flows.get(key) ?? this.#open(key, { ...make, reply: (answer) => void socket.send(answer, from) });
        this.#carry(flow, 'client', bytes);
      },
    );
    this.#sockets.push(socket);
    return socket.address;
  }

  /** Closes everything. */
  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.close();
    for (const key of [...this.#flows.keys()]) await this.#forget(key);
  }

  #open(key: string, { tuple, actual, reply }: Pick<DatagramFlow, 'tuple' | 'actual' | 'reply'>): DatagramFlow {
    this.#forgetIdle();
    const host = actual.host.includes(':') ? '::' : '0.0.0.0';
    const upstream = this.#env.network.bindDatagrams({ host, port: 0 }, (bytes) => this.#carry(flow, 'server', bytes));
    const flow: DatagramFlow = { tuple, actual, upstream, reply, lastMs: this.#env.clock.monotonicMs() };
    this.#flows.set(key, flow);
    return flow;
  }

  #carry(flow: DatagramFlow, from: Side, bytes: Buffer): void {
    const { clock } = this.#env;
    flow.lastMs = clock.monotonicMs();
    const { tuple, actual } = flow;
    const { outcome, delayMs } = this.#options.judge(
      { kind: 'data', atMs: flow.lastMs, tuple, from, payload: bytes },
      actual,
    );
    if (outcome.act === 'forge') flow.reply(outcome.answer);
    if (outcome.act !== 'pass' && !(outcome.act === 'forge' && outcome.afterwards === 'pass')) return;
    const pass = () => {
      if (from === 'server') flow.reply(bytes);
      else
        void flow.upstream.then(
          (socket) => socket.send(bytes, actual),
          () => {},
        );
    };
    if (delayMs > 0) clock.setTimer(delayMs, pass);
    else pass();
  }

  /** Lets go of flows that nobody uses, and of the oldest when there are too many. */
  #forgetIdle(): void {
    const beforeMs = this.#env.clock.monotonicMs() - IDLE_MS;
    for (const [key, { lastMs }] of this.#flows) {
      if (lastMs < beforeMs || this.#flows.size >= MAX_FLOWS) void this.#forget(key);
    }
  }

  async #forget(key: string): Promise<void> {
    const flow = this.#flows.get(key);
    if (flow === undefined) return;
    this.#flows.delete(key);
    const { tuple, actual, upstream } = flow;
    const atMs = this.#env.clock.monotonicMs();
    this.#options.judge({ kind: 'close', atMs, tuple, from: 'client', payload: NOTHING }, actual);
    const socket = await upstream.catch(() => null);
    socket?.close();
  }
}
