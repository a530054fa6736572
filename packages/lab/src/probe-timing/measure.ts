// How long a listener takes to answer strangers, beside the same relay with its transport off (docs/resistance.md).
import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { parseServerEntry, parseShareLink } from '@rozan/protocol';
import { type Conn, createEnv, type Env, findTransport, type SocketAddress } from '@rozan/tunnel';
import { Forked } from '../testing/forked.ts';
import { LabDialer } from '../testing/lab-dialer.ts';
import type { ArmOptions, ArmReport } from '../testing/probe-arm.ts';
import { recordDials } from '../testing/recording.ts';
import { type Separation, separate } from './auc.ts';
import { type ProbeClass, probeClasses } from './probe-classes.ts';

const ARM = fileURLToPath(new URL('../testing/probe-arm.ts', import.meta.url));
const WARM_UP = 150;
const PATIENCE_MS = 5_000;

/** What is compared: a listener. */
export interface TimedListener {
  readonly name: string;
  readonly transport: string;
  readonly options: Readonly<Record<string, string>>;
  readonly isSecure: boolean;
}

/** The answer of one listener to one class of probes. */
export interface TimingResult {
  readonly listener: string;
  readonly probe: string;
  readonly samples: number;
  /** Milliseconds, with the transport and without. */
  readonly medianOnMs: number;
  readonly medianOffMs: number;
  readonly separation: Separation;
  /** The same site, looked at 5 ms late, against itself: what the measurement can see. */
  readonly planted: Separation;
}

/** How much is measured. */
export interface TimingPlan {
  readonly samples: number;
  readonly listeners: readonly TimedListener[];
  /** Called after each class of probes. */
  readonly onResult?: (result: TimingResult) => void;
}

const PLANTED_MS = 5;

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}

/** The connection that the probe's bytes go over. */
async function reach(env: Env, address: SocketAddress, isInsideTls: boolean): Promise<Conn> {
  const conn = await env.network.dial(address, { signal: AbortSignal.timeout(PATIENCE_MS) });
  conn.on('error', () => {});
  if (!isInsideTls) return conn;
  const socket: TLSSocket = connect({ socket: conn, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => {});
  await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS) });
  return socket;
}

/** Milliseconds from the probe's last byte to the first sign of the other side: a byte, an end, or a break. */
async function timeOne(env: Env, address: SocketAddress, { bytes, isInsideTls, ends }: ProbeClass): Promise<number> {
  const conn = await reach(env, address, isInsideTls);
  const startMs = performance.now();
  const answered = new Promise<number>((resolve, reject) => {
    const settle = () => resolve(performance.now() - startMs);
    for (const event of ['data', 'end', 'close', 'error'] as const) conn.once(event, settle);
    AbortSignal.timeout(PATIENCE_MS).addEventListener('abort', () => reject(new Error('a probe got no answer')), {
      once: true,
    });
  });
  if (ends) conn.end(bytes);
  else conn.write(bytes);
  const tookMs = await answered;
  conn.destroy();
  return tookMs;
}

/** Times a class of probes at several places, one after the other in an order that is drawn anew each time. */
async function timeAll(
  env: Env,
  places: readonly SocketAddress[],
  { probe, samples }: { readonly probe: ProbeClass; readonly samples: number },
): Promise<number[][]> {
  const times: number[][] = places.map(() => []);
  for (let round = -WARM_UP; round < samples; round += 1) {
    const order = places.map((place, index) => ({ place, index, key: env.random.fraction() }));
    order.sort((a, b) => a.key - b.key);
    for (const { place, index } of order) {
      const tookMs = await timeOne(env, place, probe);
      if (round >= 0) times[index]?.push(tookMs);
    }
  }
  return times;
}

/** What a client of the listener writes before it has an answer. */
async function recordClient(env: Env, link: string, isSecure: boolean): Promise<Buffer> {
  // What was inside TLS nobody can record; a path like it can be asked for.
  if (isSecure) return Buffer.from(`GET /${env.random.bytes(30).toString('hex')} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const network = recordDials(env.network);
  const { entry } = parseServerEntry(parseShareLink(link));
  const dialer = new LabDialer({ ...env, network }, entry);
  const { link: carrier } = await dialer.dial(() => ({ kind: 'new' }), AbortSignal.timeout(PATIENCE_MS));
  carrier.conn.destroy();
  const [first] = network.recordings;
  if (first === undefined || first.sent.length === 0) throw new Error('a client has written nothing');
  return Buffer.concat(first.sent);
}

async function measureListener(env: Env, listener: TimedListener, plan: TimingPlan): Promise<TimingResult[]> {
  await using stack = new AsyncDisposableStack();
  const transport = findTransport(listener.transport);
  if (transport === null) throw new Error(`there is no transport ${listener.transport}`);
  const settings = { ...Object(await transport.createSettings(env.random, listener.options)) };
  const start = async (isOn: boolean, plantedMs: number): Promise<ArmReport> => {
    const given: ArmOptions = { transport: transport.name, settings, isOn, plantedMs };
    return await stack.use(new Forked(ARM, [JSON.stringify(given)])).next<ArmReport>();
  };
  const on = await start(true, 0);
  const arms = [on, await start(false, 0), await start(false, PLANTED_MS)];
  const recorded = await recordClient(env, on.link, listener.isSecure);
  const results: TimingResult[] = [];
  for (const probe of probeClasses(recorded, listener.isSecure)) {
    const places = arms.map(({ address }) => address);
    const [withIt = [], without = [], late = []] = await timeAll(env, places, { probe, samples: plan.samples });
    const result: TimingResult = {
      listener: listener.name,
      probe: probe.name,
      samples: plan.samples,
      medianOnMs: median(withIt),
      medianOffMs: median(without),
      separation: separate(withIt, without),
      planted: separate(late, without),
    };
    results.push(result);
    plan.onResult?.(result);
  }
  return results;
}

/** Measures each listener in turn. */
export async function measureProbeTiming(plan: TimingPlan): Promise<readonly TimingResult[]> {
  const env = createEnv({ log: () => {} });
  const results: TimingResult[] = [];
  for (const listener of plan.listeners) results.push(...(await measureListener(env, listener, plan)));
  return results;
}
