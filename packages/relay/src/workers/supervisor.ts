import type { ServerEntry } from '@rozan/protocol';
import type { CertificateState, Env, LogEvent } from '@rozan/tunnel';
import type { ReplayGuard } from '../accept/acceptor.ts';
import { openReplayKeeper } from '../accept/replay-keeper.ts';
import { claimSocketPath } from '../control-socket/socket-path.ts';
import type { RelayChannel, TransportAddress } from '../data-folder/relay-config.ts';
import { MergedMetrics } from '../metrics/merged-metrics.ts';
import type { RelaySetup, RelayStatus } from '../relay-core.ts';
import type { ToSupervisor, WorkerReport } from './messages.ts';
import { SessionDirectory } from './session-directory.ts';
import { forkWorker, type StartWorker } from './worker-process.ts';
import { WorkerSlot } from './worker-slot.ts';

const TOKEN_BYTES = 32;

/** What a relay of several processes needs. */
export interface SupervisorOptions extends RelaySetup {
  /** How many serve; this process serves nobody. */
  readonly workers: number;
  readonly replayPath: string;
  /** The relay's folder; the workers' sockets are there. */
  readonly folder: string;
  /** How a worker is started; as a process of its own without. */
  readonly start?: StartWorker | undefined;
}

/** The sums of all workers. */
export interface WorkersStatus extends RelayStatus {
  /** Sessions of each worker, in their order; null for one that is being started again. */
  readonly sessionsByWorker: readonly (number | null)[];
}

/** A relay of several processes behind one port. Disposing it ends them. */
export interface WorkersRelay extends AsyncDisposable {
  readonly listen: readonly TransportAddress[];
  readonly metrics: MergedMetrics;
  status(): Promise<WorkersStatus>;
  drain(): void;
  undrain(): void;
  setChannels(channels: readonly RelayChannel[]): void;
  setSiblings(entries: readonly ServerEntry[]): void;
  setCertificates(states: readonly CertificateState[]): Promise<void>;
}

/** What belongs to all workers: the replay memory, and who owns which session. */
class Supervisor {
  readonly slots: WorkerSlot[] = [];
  readonly metrics: MergedMetrics;
  readonly #env: Env;
  readonly #guard: ReplayGuard;
  readonly #directory = new SessionDirectory<WorkerSlot>();
  /** Workers that accept nothing for now, because they are full of strangers. */
  readonly #paused = new Set<WorkerSlot>();
  #isDraining = false;
  #channels: readonly RelayChannel[];
  #siblings: readonly ServerEntry[];
  #certificates: readonly CertificateState[];

  constructor(env: Env, guard: ReplayGuard, { config, siblings = [], certificates = [] }: RelaySetup) {
    this.#env = env;
    this.#guard = guard;
    this.#channels = config.channels;
    this.#siblings = siblings;
    this.#certificates = certificates;
    this.metrics = new MergedMetrics(async () => (await this.reports()).map((report) => report?.metrics ?? []));
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get siblings(): readonly ServerEntry[] {
    return this.#siblings;
  }

  setSiblings(siblings: readonly ServerEntry[]): void {
    this.#siblings = siblings;
    for (const slot of this.slots) slot.send({ kind: 'siblings', siblings });
  }

  get certificates(): readonly CertificateState[] {
    return this.#certificates;
  }

  /** A worker answers in order: with the report it has what was sent before. */
  async setCertificates(states: readonly CertificateState[]): Promise<void> {
    this.#certificates = states;
    for (const slot of this.slots) slot.send({ kind: 'certificates', states });
    await this.reports();
  }

  reports(): Promise<(WorkerReport | null)[]> {
    return Promise.all(this.slots.map((slot) => slot.report()));
  }

  setDraining(isDraining: boolean): void {
    this.#isDraining = isDraining;
    for (const slot of this.slots) slot.send({ kind: 'draining', isDraining });
  }

  get channels(): readonly RelayChannel[] {
    return this.#channels;
  }

  setChannels(channels: readonly RelayChannel[]): void {
    this.#channels = channels;
    for (const slot of this.slots) slot.send({ kind: 'channels', channels });
  }

  onMessage(slot: WorkerSlot, message: ToSupervisor): void {
    switch (message.kind) {
      case 'flights':
        this.#judge(slot, message).catch(() => {});
        return;
      case 'ids':
        this.#directory.add(slot, message.added);
        this.#directory.remove(slot, message.removed);
        return;
      case 'find': {
        const owner = this.#directory.find(message.lookupId);
        slot.send({ kind: 'home', number: message.number, socketPath: owner?.socketPath ?? null });
        return;
      }
      case 'log':
        this.#log(slot, message.event);
    }
  }

  /** From now on its sessions are unknown. */
  onLost(slot: WorkerSlot): void {
    this.#directory.forget(slot);
    if (slot.lastReport !== null) this.metrics.keep(slot.lastReport.metrics);
    this.#paused.delete(slot);
    this.#env.log({ event: 'worker.lost', worker: slot.number });
  }

  onBack(slot: WorkerSlot): void {
    this.#env.log({ event: 'worker.back', worker: slot.number });
  }

  async #judge(slot: WorkerSlot, { number, flights }: Extract<ToSupervisor, { kind: 'flights' }>): Promise<void> {
    const verdicts = await Promise.all(flights.map((flight) => this.#guard(flight)));
    slot.send({ kind: 'verdicts', number, verdicts });
  }

  /** The port is closed when all workers are full, and open again when one has room. */
  #log(slot: WorkerSlot, event: LogEvent): void {
    const wasPaused = this.#paused.size === this.slots.length;
    if (event.event === 'listen.paused') {
      this.#paused.add(slot);
      if (this.#paused.size === this.slots.length) this.#env.log(event);
    } else if (event.event === 'listen.resumed') {
      this.#paused.delete(slot);
      if (wasPaused) this.#env.log(event);
    } else this.#env.log(event);
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Starts a relay of several processes. Rejects with a `TunnelError` when they cannot listen, with a `RelayError` like `openReplayKeeper`. */
export async function createSupervisor(options: SupervisorOptions, env: Env): Promise<WorkersRelay> {
  await using stack = new AsyncDisposableStack();
  const { workers, replayPath, folder, start = forkWorker, ...setup } = options;
  const { guard } = stack.use(await openReplayKeeper(env, replayPath));
  const supervisor = new Supervisor(env, guard, options);
  const token = env.random.bytes(TOKEN_BYTES);
  for (let number = 1; number <= workers; number++) {
    const claimed = await claimSocketPath(env.random, folder, { name: `worker-${number}` });
    stack.defer(() => claimed.release());
    supervisor.slots.push(
      new WorkerSlot(env, {
        number,
        socketPath: claimed.path,
        start,
        events: supervisor,
        setup: (socketPath) => ({
          ...setup,
          config: { ...setup.config, channels: supervisor.channels },
          siblings: supervisor.siblings,
          certificates: supervisor.certificates,
          workers,
          isFirst: number === 1,
          socketPath,
          token,
          isDraining: supervisor.isDraining,
        }),
      }),
    );
  }
  const { slots } = supervisor;
  stack.defer(async () => void (await Promise.all(slots.map((slot) => slot.stop()))));
  // All are up before the first one listens: clients that have waited would all go to that one.
  await Promise.all(slots.map((slot) => slot.load()));
  const [listen = []] = await Promise.all(slots.map((slot) => slot.serve()));
  const running = stack.move();
  return {
    listen,
    metrics: supervisor.metrics,
    status: async () => {
      const reports = await supervisor.reports();
      const of = (name: 'sessions' | 'detachedSessions' | 'streams' | 'strangers' | 'forwarded' | 'heldBytes') =>
        sum(reports.map((report) => report?.status[name] ?? 0));
      return {
        sessions: of('sessions'),
        detachedSessions: of('detachedSessions'),
        streams: of('streams'),
        strangers: of('strangers'),
        forwarded: of('forwarded'),
        heldBytes: of('heldBytes'),
        draining: supervisor.isDraining,
        sessionsByWorker: reports.map((report) => report?.status.sessions ?? null),
      };
    },
    drain: () => supervisor.setDraining(true),
    undrain: () => supervisor.setDraining(false),
    setChannels: (channels) => supervisor.setChannels(channels),
    setSiblings: (entries) => supervisor.setSiblings(entries),
    setCertificates: (states) => supervisor.setCertificates(states),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
