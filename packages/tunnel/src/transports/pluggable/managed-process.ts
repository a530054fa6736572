import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import type { Env } from '../../env.ts';
import { TunnelError } from '../../errors.ts';
import { KILL_MS, START_MS, TERMINATE_MS } from './limits.ts';
import { ManagedLines, type ManagedMethod, parseManagedLine } from './managed-lines.ts';

/** What an executable is started with. */
export interface ManagedOptions {
  /** The executable and its arguments. */
  readonly command: readonly string[];
  /** The method that is wanted of it. */
  readonly method: string;
  /** The folder for what it wants to keep. */
  readonly stateFolder: string;
  /** The variables of its side, `TOR_PT_…`. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What an executable of ours inherits: nothing that another PT parent may have left in our own environment. */
function environmentOf(options: ManagedOptions): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('TOR_PT_'));
  return {
    ...Object.fromEntries(inherited),
    TOR_PT_MANAGED_TRANSPORT_VER: '1',
    TOR_PT_STATE_LOCATION: options.stateFolder,
    TOR_PT_EXIT_ON_STDIN_CLOSE: '1',
    ...options.variables,
  };
}

/**
 * A running executable of Tor's pluggable-transport specification, version 1, with one method. It ends with us whatever happens: its standard
 * input is a pipe of ours, and it has been told to end when that closes.
 */
export class ManagedProcess {
  /** Where the method is to be had. */
  readonly method: ManagedMethod;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
  readonly #env: Env;
  readonly #child: ChildProcessWithoutNullStreams;

  private constructor(env: Env, parts: Started & { readonly method: ManagedMethod }) {
    this.#env = env;
    this.#child = parts.child;
    this.ended = parts.ended;
    this.method = parts.method;
  }

  /**
   * Starts an executable and waits until it offers the method. Rejects with a `TunnelError`: `failed` when it cannot be started, ends, says
   * that it cannot, or offers something else; `timed-out` when it says nothing in time; `violation` when what it says makes no sense.
   * Nothing runs then.
   */
  static async start(env: Env, options: ManagedOptions): Promise<ManagedProcess> {
    const started = await spawnChild(options);
    const { child, ended } = started;
    try {
      const method = await readReport(env, started, options);
      unrefChild(child);
      return new ManagedProcess(env, { child, ended, method });
    } catch (error) {
      await stopChild(env, started);
      throw error;
    }
  }

  /** Asks it to take no new connections and to end when the last one it has is over (executables in Go do so on SIGINT). */
  finish(): void {
    this.#child.kill('SIGINT');
  }

  /** Ends it, kindly first. Resolves when it has ended. */
  stop(): Promise<void> {
    return stopChild(this.#env, { child: this.#child, ended: this.ended });
  }
}

interface Started {
  readonly child: ChildProcessWithoutNullStreams;
  readonly ended: Promise<void>;
}

async function spawnChild(options: ManagedOptions): Promise<Started> {
  const [file = '', ...args] = options.command;
  const child = spawn(file, args, { env: environmentOf(options), stdio: 'pipe', windowsHide: true });
  const spawned = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  child.once('spawn', spawned.resolve);
  child.on('error', () => {
    spawned.reject(new TunnelError('failed', `the executable of ${options.method} cannot be started`));
    ended.resolve();
  });
  child.once('exit', () => ended.resolve());
  child.stdin.on('error', () => {});
  // It may write there what it wants, addresses too; nobody looks at it.
  child.stderr.on('error', () => {}).resume();
  child.stdout.on('error', () => {});
  await spawned.promise;
  return { child, ended: ended.promise };
}

/** Whoever has started it ends it; by itself it keeps nothing alive. */
function unrefChild(child: ChildProcessWithoutNullStreams): void {
  child.unref();
  for (const pipe of [child.stdin, child.stdout, child.stderr]) {
    // They are sockets, which their types do not say.
    if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref();
  }
}

/** Reads lines until the method is there. Afterwards the output is read and thrown away. */
function readReport(env: Env, { child, ended }: Started, options: ManagedOptions): Promise<ManagedMethod> {
  const lines = new ManagedLines();
  const report = new ManagedReport(options);
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      cancelTimer();
      lines.drain();
      act();
    };
    const cancelTimer = env.clock.setTimer(START_MS, () =>
      settle(() => reject(new TunnelError('timed-out', `the executable of ${options.method} says nothing`))),
    );
    void ended.then(() =>
      settle(() => reject(new TunnelError('failed', `the executable of ${options.method} ended at once`))),
    );
    child.stdout.on('data', (chunk: Buffer) => {
      try {
        for (const line of lines.receive(chunk)) {
          const method = report.take(line);
          if (method !== null) return settle(() => resolve(method));
        }
      } catch (error) {
        settle(() => reject(error));
      }
    });
  });
}

/** What the lines so far have said. */
export class ManagedReport {
  readonly #wanted: string;
  readonly #needsProxy: boolean;
  #hasVersion = false;
  #hasProxy = false;
  #method: ManagedMethod | null = null;

  constructor({ method, variables }: Pick<ManagedOptions, 'method' | 'variables'>) {
    this.#wanted = method;
    this.#needsProxy = variables.TOR_PT_PROXY !== undefined;
  }

  /** Takes a line; gives the method when the report is complete. Throws a `TunnelError` (`failed`, `violation`). */
  take(line: string): ManagedMethod | null {
    const parsed = parseManagedLine(line);
    switch (parsed.type) {
      case 'version':
        if (parsed.version !== '1') throw this.#failure('speaks another version');
        this.#hasVersion = true;
        return null;
      case 'proxy-done':
        this.#hasProxy = true;
        return null;
      case 'method':
        if (parsed.name === this.#wanted) this.#method = parsed.method;
        return null;
      case 'failed':
        if (parsed.name !== null && parsed.name !== this.#wanted) return null;
        throw this.#failure(`says: ${parsed.reason}`);
      case 'done':
        return this.#finish();
      default:
        return null;
    }
  }

  #finish(): ManagedMethod {
    if (!this.#hasVersion) throw new TunnelError('violation', 'the executable names no version');
    if (this.#needsProxy && !this.#hasProxy) throw this.#failure('cannot go through a proxy');
    if (this.#method === null) throw this.#failure('does not have it');
    return this.#method;
  }

  #failure(text: string): TunnelError {
    return new TunnelError('failed', `the executable of ${this.#wanted} ${text}`);
  }
}

/** Closes its standard input, which it should end by; what does not is told, and then made to. */
async function stopChild(env: Env, { child, ended }: Started): Promise<void> {
  child.ref();
  child.stdin.destroy();
  const cancels = [
    env.clock.setTimer(TERMINATE_MS, () => child.kill('SIGTERM')),
    env.clock.setTimer(KILL_MS, () => child.kill('SIGKILL')),
  ];
  await ended;
  for (const cancel of cancels) cancel();
  // A child of the executable may still hold the other ends.
  child.stdout.destroy();
  child.stderr.destroy();
}
