import { formatHostPort } from '@rozan/protocol';
import { createEnv, type Env, type Listener, type LogEvent, type SocketAddress, TunnelError } from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, untilAborted } from '@rozan/tunnel/program';
import { serveControl } from '../control-socket/control-server.ts';
import { openRelayFolder, type RelayFolder } from '../data-folder/relay-folder.ts';
import type { AllowRule } from '../egress/guard.ts';
import { serveMetrics } from '../metrics/metrics-server.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { createRelay, type Relay } from '../relay.ts';

/** What `relay` is told. */
export interface RunOptions {
  readonly data: string;
  readonly json: boolean;
  readonly egressAllow: readonly AllowRule[];
  readonly dnsServers: readonly string[] | undefined;
  readonly metrics: SocketAddress | null;
}

/** What a relay's event says to its operator, or null for those that only programs read. */
export function describe(event: LogEvent): string | null {
  switch (event.event) {
    case 'clock.behind':
      return `The clock is ${Number(event.byMs) / 1000} s behind that of the last run; until then clients need longer to connect.`;
    case 'relay.draining':
      return 'Draining: no new sessions; what runs goes on.';
    case 'listen.paused':
      return 'Too many silent connections: not accepting more for now.';
    case 'listen.resumed':
      return 'Accepting connections again.';
    case 'listen.failed':
      return 'Cannot listen any more.';
    default:
      return null;
  }
}

async function start(env: Env, folder: RelayFolder, options: RunOptions & { metricsOf: RelayMetrics }): Promise<Relay> {
  const { egressAllow, dnsServers, metricsOf: counters } = options;
  const { config, replayPath } = folder;
  try {
    return await createRelay({ config, replayPath, egressAllow, dnsServers, counters }, env);
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    const places = config.listen.map(({ address }) => formatHostPort(address)).join(', ');
    throw new ProgramError(EXIT_CODE.cannotListen, `cannot listen at ${places}: ${cause.message}`, {
      cause,
      remedy: 'Another program may listen there, or the address may not be one of this machine.',
    });
  }
}

async function openMetrics(env: Env, address: SocketAddress | null, metrics: RelayMetrics): Promise<Listener | null> {
  if (address === null) return null;
  try {
    return await serveMetrics(env, { address, metrics });
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.cannotListen, `cannot serve metrics at ${formatHostPort(address)}`, {
      cause,
      remedy: 'Choose another port with --metrics, or turn them off with --metrics off.',
    });
  }
}

/** `rozan relay`: runs until the signal is aborted; returns the exit code. */
export async function runRelay(options: RunOptions, signal: AbortSignal): Promise<number> {
  const output = createOutput({ json: options.json, write: (text) => process.stdout.write(text), describe });
  const env = createEnv({ log: output.log });
  await using stack = new AsyncDisposableStack();
  const folder = await openRelayFolder(options.data);
  stack.defer(() => folder.close());
  const metrics = new RelayMetrics();
  const relay = stack.use(await start(env, folder, { ...options, metricsOf: metrics }));
  metrics.observe(() => relay.status());
  const listen = listenTexts(relay.listen);
  const metricsAt = await openMetrics(env, options.metrics, metrics);
  if (metricsAt !== null) stack.defer(() => metricsAt.close());
  stack.use(
    await serveControl(env, {
      folder: folder.path,
      commands: {
        drain: () => {
          relay.drain();
          env.log({ event: 'relay.draining' });
          return { ...relay.status() };
        },
        status: () => ({ ...relay.status() }),
      },
    }),
  );
  const metricsText = metricsAt === null ? null : formatHostPort(metricsAt.address);
  const places = Object.entries(listen).map(([transport, places]) => `${transport} at ${places}`);
  output.say(`The relay listens: ${places.join(', ')}. Ctrl-C ends it.`);
  output.ready({ listen, metrics: metricsText });
  await untilAborted(signal);
  return EXIT_CODE.fine;
}

/** Where it listens, by transport; a transport with several places gives them joined by commas. */
function listenTexts(listen: Relay['listen']): { readonly [transport: string]: string } {
  const texts = new Map<string, string>();
  for (const { transport, address } of listen) {
    const before = texts.get(transport);
    const text = formatHostPort(address);
    texts.set(transport, before === undefined ? text : `${before},${text}`);
  }
  return Object.fromEntries(texts);
}
