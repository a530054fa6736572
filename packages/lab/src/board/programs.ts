import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROZAN = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');
/** A program has this long to end by itself: less than the lab has when it is told to stop. */
const END_MS = 1_200;
/** What is kept of a program's output; what it said last tells why it has ended. */
const KEPT_LINES = 400;

/** How programs are started. */
export interface ProgramsOptions {
  /** What stands before every command, such as `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  /** Where Node keeps what it has compiled, so that a thousand starts cost half. */
  readonly cacheFolder?: string;
}

/** What one program is told. */
export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string;
  readonly cwd?: string;
}

/** A program that runs. */
export interface RunningProgram {
  readonly pid: number;
  /** What it has said so far on both outputs, a line each; the last few hundred. */
  readonly lines: readonly string[];
  /** The first match of a line, past or to come. Rejects when the program ends first, or by the signal. */
  said(pattern: RegExp, signal?: AbortSignal): Promise<RegExpExecArray>;
  /** Calls `listener` with every line from now on. */
  onLine(listener: (line: string) => void): void;
  /** Its exit code once it has ended, null when a signal ended it. */
  readonly ended: Promise<number | null>;
  /** Ends it: SIGTERM, and SIGKILL when that does not help. Calling it again waits too. */
  stop(): Promise<void>;
}

/** Where a command is, in the search path or where services lie; null if nowhere. */
export function findProgram(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const folder = folders.find((path) => path !== '' && existsSync(join(path, name)));
  return folder === undefined ? null : join(folder, name);
}

class Running implements RunningProgram {
  readonly lines: string[] = [];
  readonly pid: number;
  readonly ended: Promise<number | null>;
  readonly #listeners = new Set<(line: string | null) => void>();
  #isOver = false;

  constructor(child: ChildProcess) {
    this.pid = child.pid ?? 0;
    this.ended = once(child, 'close').then(
      ([code]) => (typeof code === 'number' ? code : null),
      () => null,
    );
    for (const stream of [child.stdout, child.stderr]) {
      if (stream !== null) createInterface({ input: stream }).on('line', (line) => this.#hear(line));
    }
    child.on('error', (error) => this.#hear(error.message));
    void this.ended.then(() => {
      this.#isOver = true;
      for (const listener of [...this.#listeners]) listener(null);
    });
  }

  #hear(line: string): void {
    this.lines.push(line);
    if (this.lines.length > KEPT_LINES) this.lines.shift();
    for (const listener of [...this.#listeners]) listener(line);
  }

  said(pattern: RegExp, signal?: AbortSignal): Promise<RegExpExecArray> {
    const found = this.lines.map((line) => pattern.exec(line)).find((match) => match !== null);
    if (found) return Promise.resolve(found);
    return new Promise((resolve, reject) => {
      const settle = (act: () => void) => {
        this.#listeners.delete(onLine);
        signal?.removeEventListener('abort', onAbort);
        act();
      };
      const onAbort = () => settle(() => reject(signal?.reason));
      const onLine = (line: string | null) => {
        if (line === null) settle(() => reject(new Error(`it ended: ${this.lines.slice(-3).join(' | ')}`)));
        else {
          const match = pattern.exec(line);
          if (match !== null) settle(() => resolve(match));
        }
      };
      if (signal?.aborted) reject(signal.reason);
      else if (this.#isOver) onLine(null);
      else {
        this.#listeners.add(onLine);
        signal?.addEventListener('abort', onAbort, { once: true });
      }
    });
  }

  onLine(listener: (line: string) => void): void {
    this.#listeners.add((line) => {
      if (line !== null) listener(line);
    });
  }

  kill(signal: NodeJS.Signals = 'SIGKILL'): void {
    if (this.#isOver || this.pid === 0) return;
    try {
      // With what it has started itself: git leaves the work to others.
      process.kill(-this.pid, signal);
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }

  async stop(): Promise<void> {
    if (this.#isOver) return;
    this.kill('SIGTERM');
    const timer = setTimeout(() => this.kill(), END_MS);
    await this.ended;
    clearTimeout(timer);
  }
}

/** Real programs of ours and of others. They end with whoever made this, however that ends: the kernel sees to it where it is Linux. */
export class Programs implements AsyncDisposable {
  readonly #running = new Set<Running>();
  readonly #options: ProgramsOptions;
  readonly #onExit = (): void => {
    for (const program of this.#running) program.kill();
  };
  #isClosed = false;

  constructor(options: ProgramsOptions = {}) {
    this.#options = options;
    process.on('exit', this.#onExit);
  }

  /** Starts a program. Throws when this has been disposed of. */
  start(command: string, args: readonly string[], options: StartOptions = {}): RunningProgram {
    if (this.#isClosed) throw new Error('the programs have been ended');
    const guard = findProgram('setpriv');
    // A child that outlives a killed lab would keep its port and its memory.
    const words = [
      ...(this.#options.prefix ?? []),
      ...(guard === null ? [] : [guard, '--pdeathsig', 'KILL', '--']),
      findProgram(command) ?? command,
      ...args,
    ];
    const [file = command, ...rest] = words;
    const child = spawn(file, rest, {
      cwd: options.cwd,
      env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...options.env },
      stdio: ['pipe', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdin.on('error', () => {});
    child.stdin.end(options.input ?? '');
    const program = new Running(child);
    this.#running.add(program);
    child.once('close', () => this.#running.delete(program));
    return program;
  }

  /** Starts a file of the lab on this very Node. */
  startScript(path: string, args: readonly string[]): RunningProgram {
    return this.start(process.execPath, [...process.execArgv, path, ...args]);
  }

  /** Starts `rozan ARGS` on this very Node. */
  startRozan(args: readonly string[], options: StartOptions = {}): RunningProgram {
    const { cacheFolder } = this.#options;
    const env = {
      UV_THREADPOOL_SIZE: '32',
      ...(cacheFolder === undefined ? {} : { NODE_COMPILE_CACHE: cacheFolder }),
      ...options.env,
    };
    return this.start(process.execPath, [...process.execArgv, ROZAN, ...args], { ...options, env });
  }

  /** Runs a program to its end; throws, with what it said last, when it fails. */
  async run(command: string, args: readonly string[], options: StartOptions = {}): Promise<readonly string[]> {
    const program = this.start(command, [...args], options);
    const code = await program.ended;
    if (code !== 0) throw new Error(`${command} ended with ${code}: ${program.lines.slice(-3).join(' | ')}`);
    return program.lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#running].map((program) => program.stop()));
    process.off('exit', this.#onExit);
  }
}
