import type { ServerEntry } from '@rozan/protocol';
import { type CertificateState, type Env, TunnelError } from '@rozan/tunnel';
import type { ReplayVerdictKind } from '../accept/acceptor.ts';
import type { RelayChannel } from '../data-folder/relay-config.ts';
import { WORKER_BOUNDS } from '../limits/constants.ts';
import { RelayMetrics } from '../metrics/relay-metrics.ts';
import { createRelayCore, type RelayCore } from '../relay-core.ts';
import type { LookupWatcher } from '../session-registry.ts';
import { handOver, listenForHandovers } from './handover.ts';
import type { Channel, ToSupervisor, ToWorker, WorkerSetup } from './messages.ts';
import { PendingAnswers } from './pending-answers.ts';
import { createRemoteGuard } from './remote-guard.ts';

/** Tells of the ids that one turn of the event loop has brought together. */
function createWatcher(channel: Channel<ToSupervisor>): LookupWatcher {
  let added: string[] = [];
  let removed: string[] = [];
  const flush = (): void => {
    const message = { kind: 'ids', added: bytesOf(added), removed: bytesOf(removed) } as const;
    added = [];
    removed = [];
    channel.send(message);
  };
  const schedule = (): void => {
    if (added.length + removed.length === 0) queueMicrotask(flush);
  };
  return {
    added: (id) => {
      schedule();
      added.push(id);
    },
    removed: (id) => {
      schedule();
      removed.push(id);
    },
  };
}

function bytesOf(ids: readonly string[]): Buffer {
  return Buffer.from(ids.join(''), 'latin1');
}

/** A process that serves a relay beside others: it accepts, and holds the sessions that began here. */
export class Worker implements AsyncDisposable {
  readonly #env: Env;
  readonly #channel: Channel<ToSupervisor>;
  readonly #metrics = new RelayMetrics();
  readonly #verdicts: PendingAnswers<readonly ReplayVerdictKind[]>;
  readonly #homes: PendingAnswers<string | null>;
  readonly #stack = new AsyncDisposableStack();
  readonly #over = Promise.withResolvers<void>();
  #core: RelayCore | null = null;
  /** What it was told since its start. */
  #isDraining: boolean | null = null;
  #channels: readonly RelayChannel[] | null = null;
  #siblings: readonly ServerEntry[] | null = null;
  #certificates: readonly CertificateState[] | null = null;

  constructor(env: Env, channel: Channel<ToSupervisor>) {
    this.#env = env;
    this.#channel = channel;
    this.#verdicts = new PendingAnswers(env.clock, WORKER_BOUNDS.verdictMs);
    this.#homes = new PendingAnswers(env.clock, WORKER_BOUNDS.homeMs);
  }

  /** Resolves when the supervisor wants it to end, or it could not start. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  receive(message: ToWorker): void {
    switch (message.kind) {
      case 'start':
        this.#start(message.setup).catch((error: unknown) => {
          const text = error instanceof TunnelError ? error.message : 'it failed';
          this.#channel.send({ kind: 'failed', message: text });
          this.#over.resolve();
        });
        return;
      case 'verdicts':
        this.#verdicts.answer(message.number, message.verdicts);
        return;
      case 'home':
        this.#homes.answer(message.number, message.socketPath);
        return;
      case 'report':
        this.#report(message.number).catch(() => {});
        return;
      case 'draining':
        this.#isDraining = message.isDraining;
        if (message.isDraining) this.#core?.drain();
        else this.#core?.undrain();
        return;
      case 'channels':
        this.#channels = message.channels;
        this.#core?.setChannels(message.channels);
        return;
      case 'siblings':
        this.#siblings = message.siblings;
        this.#core?.setSiblings(message.siblings);
        return;
      case 'certificates':
        this.#certificates = message.states;
        void this.#core?.setCertificates(message.states);
        return;
      case 'stop':
        this.#over.resolve();
    }
  }

  async #start(setup: WorkerSetup): Promise<void> {
    const channel = this.#channel;
    const { token, socketPath, workers } = setup;
    const core = this.#stack.use(
      await createRelayCore(
        {
          ...setup,
          workers,
          counters: this.#metrics,
          replayGuard: createRemoteGuard((flights) =>
            this.#verdicts.ask((number) => channel.send({ kind: 'flights', number, flights })),
          ),
          homes: { find: (lookupId) => this.#findHome(lookupId, token) },
          watcher: createWatcher(channel),
        },
        this.#env,
      ),
    );
    const listener = await listenForHandovers(this.#env, { socketPath, token }, (conn, from) =>
      core.acceptHandedOver(conn, from),
    );
    this.#stack.defer(() => listener.close());
    if (this.#isDraining ?? setup.isDraining) core.drain();
    if (this.#channels !== null) core.setChannels(this.#channels);
    if (this.#siblings !== null) core.setSiblings(this.#siblings);
    if (this.#certificates !== null) await core.setCertificates(this.#certificates);
    this.#metrics.observe(() => core.status());
    this.#core = core;
    channel.send({ kind: 'ready', listen: core.listen });
  }

  async #findHome(lookupId: Buffer, token: Buffer) {
    const socketPath = await this.#homes.ask((number) => this.#channel.send({ kind: 'find', number, lookupId }));
    if (socketPath === null) return null;
    return (handover: Parameters<typeof handOver>[1]) => handOver(this.#env, handover, { socketPath, token });
  }

  async #report(number: number): Promise<void> {
    if (this.#core === null) return;
    const report = { status: this.#core.status(), metrics: await this.#metrics.values() };
    this.#channel.send({ kind: 'report', number, report });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}
