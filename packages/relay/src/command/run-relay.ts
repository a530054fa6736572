import { formatHostPort, type ServerEntry } from '@rozan/protocol';
import {
  type CertificateState,
  createEnv,
  type Env,
  type Listener,
  type LogEvent,
  type SocketAddress,
  TunnelError,
} from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, programVersion, untilAborted } from '@rozan/tunnel/program';
import { openCertificateStore } from '../certificates/certificate-file.ts';
import {
  certificateOrders,
  createCertificateKeeper,
  readCertificateStates,
} from '../certificates/certificate-keeper.ts';
import { serveControl } from '../control-socket/control-server.ts';
import type { RelayChannel, TransportAddress } from '../data-folder/relay-config.ts';
import { RelayError } from '../data-folder/relay-error.ts';
import { openRelayFolder, type RelayFolder } from '../data-folder/relay-folder.ts';
import { readSiblings } from '../data-folder/sibling-list.ts';
import type { AllowRule } from '../egress/guard.ts';
import { createResolver } from '../egress/resolver.ts';
import { type Membership, openMembership } from '../enrolment/run-enrolled.ts';
import { type MetricsSource, serveMetrics } from '../metrics/metrics-server.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { createRelay, type RelayOptions } from '../relay.ts';
import type { RelayStatus } from '../relay-core.ts';
import { createSupervisor } from '../workers/supervisor.ts';

/** What `relay` is told. */
export interface RunOptions {
  readonly data: string;
  readonly json: boolean;
  readonly egressAllow: readonly AllowRule[];
  readonly dnsServers: readonly string[] | undefined;
  readonly metrics: SocketAddress | null;
  /** Processes that serve; 1 is this one alone. */
  readonly workers: number;
}

/** A relay that runs, in one process or in several. */
interface RunningRelay extends AsyncDisposable {
  readonly listen: readonly TransportAddress[];
  readonly metrics: MetricsSource;
  status(): RelayStatus | Promise<RelayStatus>;
  drain(): void;
  undrain(): void;
  setChannels(channels: readonly RelayChannel[]): void;
  setSiblings(entries: readonly ServerEntry[]): void;
  setCertificates(states: readonly CertificateState[]): Promise<void>;
}

async function siblingEntries(folder: RelayFolder): Promise<ServerEntry[]> {
  return (await readSiblings(folder.path)).map(({ entry }) => entry);
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
    case 'worker.lost':
      return `Worker ${event.worker} has died, and its sessions with it; another takes its place.`;
    case 'worker.back':
      return `Worker ${event.worker} serves again.`;
    case 'program.lost':
      return `The executable of ${event.method} has ended, and is started again.`;
    case 'program.back':
      return `The executable of ${event.method} runs again.`;
    case 'program.failed':
      return `A Tor transport cannot be offered: ${event.reason}.`;
    case 'certificate.issued':
      return `The authority gave a certificate for ${event.name}, valid until ${new Date(Number(event.expires) * 1000).toUTCString()}.`;
    case 'certificate.failed':
      return `No certificate for ${event.name}: ${event.problem ?? event.reason}. ${event.remedy} Tried again in ${Math.ceil(Number(event.retryMs) / 60_000)} minutes; the relay serves with what it has.`;
    case 'control.unreachable':
      return event.code === 'control-refused'
        ? 'The control plane does not know this relay any more; it goes on as it was told last. To let it in again: "rozan control enrolment renew" there, and "rozan relay enrol --again" here.'
        : 'The control plane does not answer; the relay goes on as it was told last.';
    case 'control.reached':
      return 'The control plane answers again.';
    case 'relay.retired':
      return 'The network has retired this relay for good: it takes nobody any more, and reports no more. When its last sessions have ended it can be stopped, and its folder deleted.';
    case 'settings.changed':
      return `The network has other settings for this relay: it is ${event.state}${event.isDraining ? ', and takes no new sessions' : ''}.`;
    case 'listen.failed':
      return 'Cannot listen any more.';
    default:
      return null;
  }
}

async function createAlone(options: Omit<RelayOptions, 'counters'>, env: Env): Promise<RunningRelay> {
  const metrics = new RelayMetrics();
  const relay = await createRelay({ ...options, counters: metrics }, env);
  metrics.observe(() => relay.status());
  return { ...relay, metrics };
}

async function start(
  env: Env,
  folder: RelayFolder,
  { membership, ...options }: RunOptions & { readonly membership: Membership | null },
): Promise<RunningRelay> {
  const { egressAllow, dnsServers, workers } = options;
  const { config, replayPath } = folder;
  const siblings = await siblingEntries(folder);
  const certificates = await readCertificateStates(openCertificateStore(folder.path), certificateOrders(config.listen));
  const own = { config, replayPath, egressAllow, dnsServers, siblings, certificates };
  const setup = membership?.setup(own) ?? own;
  try {
    if (workers === 1) return await createAlone(setup, env);
    return await createSupervisor({ ...setup, workers, folder: folder.path }, env);
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    const places = config.listen.map(({ address }) => formatHostPort(address)).join(', ');
    throw new ProgramError(EXIT_CODE.cannotListen, `cannot listen at ${places}: ${cause.message}`, {
      cause,
      remedy: 'Another program may listen there, or the address may not be one of this machine.',
    });
  }
}

async function openMetrics(env: Env, address: SocketAddress | null, metrics: MetricsSource): Promise<Listener | null> {
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
  const membership = await openMembership(env, { folder: folder.path, programVersion: await programVersion() });
  const relay = stack.use(await start(env, folder, { ...options, membership }));
  const listen = listenTexts(relay.listen);
  const metricsAt = await openMetrics(env, options.metrics, relay.metrics);
  if (metricsAt !== null) stack.defer(() => metricsAt.close());
  stack.use(
    await serveControl(env, {
      folder: folder.path,
      commands: {
        drain: async () => {
          relay.drain();
          env.log({ event: 'relay.draining' });
          return { ...(await relay.status()) };
        },
        status: async () => ({ ...(await relay.status()) }),
        siblings: async () => {
          // Of a relay that has enrolled, its control plane says who they are.
          if (membership !== null) throw new RelayError('enrolled', 'the control plane says who the siblings are');
          const entries = await siblingEntries(folder);
          relay.setSiblings(entries);
          return { siblings: entries.length };
        },
      },
    }),
  );
  stack.use(
    createCertificateKeeper(env, {
      store: openCertificateStore(folder.path),
      orders: certificateOrders(folder.config.listen),
      resolver: createResolver(env.clock, { servers: options.dnsServers }),
      show: (states) => relay.setCertificates(states),
    }),
  );
  if (membership !== null) stack.use(membership.follow(relay));
  const metricsText = metricsAt === null ? null : formatHostPort(metricsAt.address);
  const places = Object.entries(listen).map(([transport, places]) => `${transport} at ${places}`);
  output.say(`The relay listens: ${places.join(', ')}. Ctrl-C ends it.`);
  output.ready({ listen, metrics: metricsText });
  await untilAborted(signal);
  return EXIT_CODE.fine;
}

/** Where it listens, by transport; a transport with several places gives them joined by commas. */
function listenTexts(listen: RunningRelay['listen']): { readonly [transport: string]: string } {
  const texts = new Map<string, string>();
  for (const { transport, address } of listen) {
    const before = texts.get(transport);
    const text = formatHostPort(address);
    texts.set(transport, before === undefined ? text : `${before},${text}`);
  }
  return Object.fromEntries(texts);
}
