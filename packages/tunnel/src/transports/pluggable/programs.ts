import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatAddress } from '../../address.ts';
import type { Env, ProgramDial, Programs, ProgramsOptions } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import type { Conn, SocketAddress } from '../../network.ts';
import { backoffMs } from '../../session/backoff.ts';
import { converse } from '../../upstream/proxy-talk.ts';
import type { UpstreamProxy } from '../../upstream/upstream-url.ts';
import { socksLogin } from './arguments.ts';
import { findKnownCommand, parseCommandWords } from './command.ts';
import { CONNECT_MS, RESTART_BACKOFF, SETTLED_MS } from './limits.ts';
import { ManagedProcess } from './managed-process.ts';
import { PieceConn } from './piece-conn.ts';
import { SocksAnswers } from './socks-connect.ts';

/**
 * Programs of others, each started when it is first asked for; disposing ends them. `env.network` has to be the one of this machine: the
 * programs are on it, whatever the way out of it may be.
 */
export function createPluggablePrograms(env: Env, options: ProgramsOptions): Programs & AsyncDisposable {
  return new PluggablePrograms(env, options);
}

class PluggablePrograms implements Programs, AsyncDisposable {
  readonly #env: Env;
  readonly #options: ProgramsOptions;
  readonly #clients = new Map<string, MethodClient>();
  #isOver = false;

  constructor(env: Env, options: ProgramsOptions) {
    this.#env = env;
    this.#options = options;
  }

  async dial(request: ProgramDial): Promise<Conn> {
    const { method, args, address, signal } = request;
    signal?.throwIfAborted();
    if (this.#isOver) throw new TunnelError('failed', 'the programs have been ended');
    const login = socksLogin(args);
    const limit = new AbortController();
    const cancel = this.#env.clock.setTimer(CONNECT_MS, () =>
      limit.abort(new TunnelError('timed-out', 'the pluggable transport did not connect in time')),
    );
    const either = signal === undefined ? limit.signal : AbortSignal.any([signal, limit.signal]);
    try {
      const socksPort = await unlessAborted(this.#clientOf(method).start(), either);
      const conn = await this.#env.network.dial(socksPort, { signal: either });
      try {
        return new PieceConn(conn, await converse(conn, new SocksAnswers({ target: address, login }), either));
      } catch (error) {
        conn.destroy();
        throw error;
      }
    } finally {
      cancel();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all([...this.#clients.values()].map((client) => client.stop()));
  }

  #clientOf(method: string): MethodClient {
    const known = this.#clients.get(method);
    if (known !== undefined) return known;
    const named = this.#options.commands?.get(method);
    const command = named === undefined ? findKnownCommand(method) : parseCommandWords(named);
    if (command === null) {
      this.#env.log({ event: 'program.missing', method });
      const remedy = `install one, or name it with --pt ${method}=EXECUTABLE`;
      throw new TunnelError('failed', `there is no executable for ${method}: ${remedy}`);
    }
    const client = new MethodClient(this.#env, { command, method, proxy: this.#options.proxy });
    this.#clients.set(method, client);
    return client;
  }
}

interface MethodOptions {
  readonly command: readonly string[];
  readonly method: string;
  readonly proxy: UpstreamProxy | undefined;
}

/** The executable of one method: started when it is needed, and again, after a while, when it has died. */
class MethodClient {
  readonly #env: Env;
  readonly #options: MethodOptions;
  #running: Promise<ManagedProcess> | null = null;
  #cleaned: Promise<void> = Promise.resolve();
  #failures = 0;
  #notBeforeMs = Number.NEGATIVE_INFINITY;
  #isStopped = false;

  constructor(env: Env, options: MethodOptions) {
    this.#env = env;
    this.#options = options;
  }

  /** Resolves with the address of its SOCKS port. Rejects at once while it is not yet to be started again. */
  async start(): Promise<SocketAddress> {
    if (this.#running === null) {
      if (this.#env.clock.monotonicMs() < this.#notBeforeMs) {
        throw new TunnelError('failed', `the executable of ${this.#options.method} has just failed`);
      }
      this.#running = this.#run();
    }
    return (await this.#running).method.address;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    const running = await this.#running?.catch(() => null);
    await running?.stop();
    await this.#cleaned;
  }

  async #run(): Promise<ManagedProcess> {
    const { command, method, proxy } = this.#options;
    // What a client executable keeps is of no use to the next one: guards and the like are tor's business.
    const stateFolder = await mkdtemp(join(tmpdir(), 'rozan-pt-'));
    const startMs = this.#env.clock.monotonicMs();
    const variables = {
      TOR_PT_CLIENT_TRANSPORTS: method,
      ...(proxy === undefined ? {} : { TOR_PT_PROXY: proxyUrl(proxy) }),
    };
    try {
      const running = await ManagedProcess.start(this.#env, { command, method, stateFolder, variables });
      if (running.method.protocol !== 'socks5') {
        await running.stop();
        throw new TunnelError('failed', `the executable of ${method} does not offer SOCKS5`);
      }
      this.#cleaned = running.ended.then(() => {
        this.#noteEnd(startMs);
        if (!this.#isStopped) this.#env.log({ event: 'program.lost', method });
        return rm(stateFolder, { recursive: true, force: true });
      });
      return running;
    } catch (error) {
      this.#noteEnd(startMs);
      this.#env.log({
        event: 'program.failed',
        method,
        reason: error instanceof TunnelError ? error.message : 'failed',
      });
      await rm(stateFolder, { recursive: true, force: true });
      throw error;
    }
  }

  #noteEnd(startMs: number): void {
    const nowMs = this.#env.clock.monotonicMs();
    this.#running = null;
    this.#failures = nowMs - startMs > SETTLED_MS ? 1 : this.#failures + 1;
    this.#notBeforeMs =
      nowMs + backoffMs(this.#failures, { ...RESTART_BACKOFF, fraction: this.#env.random.fraction() });
  }
}

/** As the specification writes proxies (§3.2.2). */
function proxyUrl({ kind, host, port, credentials }: UpstreamProxy): string {
  const login =
    credentials === null ? '' : `${encodeURIComponent(credentials.user)}:${encodeURIComponent(credentials.password)}@`;
  return `${kind}://${login}${formatAddress({ host, port })}`;
}

/** The promise's value, or the signal's reason if that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
    if (signal.aborted) onAbort();
  });
}
