import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

const ROZAN = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');
/** Generous: several test files start programs at once on a small machine. */
const READY_MS = 60_000;
const EVENT_MS = 30_000;
/** What a program may take to end once it is told to, by its contract. */
export const STOP_MS = 5_000;
const RUN_MS = 60_000;
const POLL_MS = 20;

/** A line of a program's standard output. */
export interface ProgramEvent {
  readonly event: string;
  readonly [member: string]: unknown;
}

/** How a program has ended. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** From the signal that ended it to its end. */
  readonly afterMs: number;
}

/** What `startProgram` may be told. */
export interface ProgramOptions {
  readonly input?: string;
  /** Beside what this process has. */
  readonly env?: { readonly [name: string]: string };
}

/** What `runRozan` may be told. */
export interface RunOptions extends ProgramOptions {
  /** Ends it by SIGTERM as soon as it has written this to standard output. */
  readonly stopAt?: string;
  /** Ends it by SIGKILL after so long. */
  readonly killAfterMs?: number;
}

/** What `waitForEvent` may be told. */
export interface EventOptions {
  /** Events before this index of `events` do not count. */
  readonly after?: number;
  readonly withinMs?: number;
}

/**
 * A program of ours, running with `--json`. Disposing it ends it by SIGTERM and asserts what its contract says of the end: within 5 s, with
 * code 0, no process and no file left.
 */
export interface Program extends AsyncDisposable {
  readonly pid: number;
  /** The first line. */
  readonly ready: ProgramEvent;
  /** All lines after the first, so far. */
  readonly events: readonly ProgramEvent[];
  /** Resolves with the first event for which `matches` says so, past or to come. Rejects when it does not come in time. */
  waitForEvent(matches: (event: ProgramEvent) => boolean, options?: EventOptions): Promise<ProgramEvent>;
  /** A member of the ready line that is text. */
  text(member: string): string;
  /** Ends it by SIGTERM, or as told; calling it again tells how it ended. */
  stop(signal?: NodeJS.Signals): Promise<Exit>;
  /** Sends a signal that does not end it, such as SIGSTOP, to it and to what it has started. */
  signal(signal: NodeJS.Signals): void;
  /** Processes that it has started and that run, in the order of their start; none where the system does not tell. */
  children(): readonly number[];
  stderr(): string;
}

/** How a command that ends by itself has ended. */
export interface CommandResult {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function environment(temporaryFolder: string): NodeJS.ProcessEnv {
  // As when npm has started it: should the test die, the program ends too.
  return { ...process.env, TMPDIR: temporaryFolder, npm_lifecycle_event: 'test', NODE_TEST_CONTEXT: undefined };
}

/** Runs `rozan ARGS` to its end. */
export async function runRozan(args: readonly string[], options: RunOptions = {}): Promise<CommandResult> {
  const child = spawn(process.execPath, [ROZAN, ...args], {
    env: { ...environment(tmpdir()), ...options.env },
    timeout: options.killAfterMs ?? RUN_MS,
    killSignal: 'SIGKILL',
  });
  let out = '';
  let err = '';
  let isStopped = false;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    if (!isStopped && options.stopAt !== undefined && out.includes(options.stopAt)) isStopped = child.kill('SIGTERM');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code] = await once(child, 'close');
  return { code, out, err };
}

/** Processes whose parent is `pid`, as far as the system tells. */
function childrenOf(pid: number): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && parentOf(name) === pid)
    .map(Number)
    .sort((a, b) => a - b);
}

/** Whether a process runs; one that has ended and that nobody has asked about yet does not. */
function isRunning(pid: number): boolean {
  try {
    return !/^\d+ \(.*\) Z/s.test(readFileSync(join('/proc', String(pid), 'stat'), 'latin1'));
  } catch {
    return false;
  }
}

/** Rejects when one of the processes outlives the one that has started it. */
async function expectGone(pids: readonly number[]): Promise<void> {
  const patience = AbortSignal.timeout(STOP_MS);
  while (pids.some(isRunning)) {
    assert.ok(!patience.aborted, 'processes are left');
    await pause(POLL_MS);
  }
}

function parentOf(pid: string): number | null {
  try {
    const fields =
      readFileSync(join('/proc', pid, 'stat'), 'latin1')
        .split(') ')
        .at(-1) ?? '';
    return Number(fields.split(' ')[1]);
  } catch {
    return null; // it has just ended
  }
}

class RunningProgram implements Program {
  readonly ready: ProgramEvent;
  readonly pid: number;
  readonly #events: ProgramEvent[];
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #errors: string[];
  readonly #changed: Set<() => void>;
  #exit: Promise<Exit> | null = null;

  constructor(parts: ProgramParts & { ready: ProgramEvent; pid: number }) {
    this.ready = parts.ready;
    this.pid = parts.pid;
    this.#events = parts.events;
    this.#child = parts.child;
    this.#folder = parts.folder;
    this.#errors = parts.errors;
    this.#changed = parts.changed;
  }

  get events(): readonly ProgramEvent[] {
    return this.#events;
  }

  stderr(): string {
    return this.#errors.join('');
  }

  text(member: string): string {
    const value = this.ready[member];
    assert.equal(typeof value, 'string', `"${member}" of the ready line`);
    return String(value);
  }

  async waitForEvent(matches: (event: ProgramEvent) => boolean, options: EventOptions = {}): Promise<ProgramEvent> {
    const { after = 0, withinMs = EVENT_MS } = options;
    const patience = AbortSignal.timeout(withinMs);
    for (;;) {
      const found = this.#events.slice(after).find(matches);
      if (found !== undefined) return found;
      if (patience.aborted) assert.fail(`no such event within ${withinMs} ms; there were:\n${this.#listEvents()}`);
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.#changed.delete(wake);
          patience.removeEventListener('abort', wake);
          resolve();
        };
        this.#changed.add(wake);
        patience.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #listEvents(): string {
    return this.#events.map((event) => JSON.stringify(event)).join('\n');
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
    for (const pid of this.children()) process.kill(pid, signal);
  }

  children(): readonly number[] {
    return childrenOf(this.pid);
  }

  stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.#exit ??= this.#stop(signal);
    return this.#exit;
  }

  async #stop(stopSignal: NodeJS.Signals): Promise<Exit> {
    const child = this.#child;
    const children = this.children();
    const startMs = performance.now();
    if (child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit', { signal: AbortSignal.timeout(2 * STOP_MS) });
      child.kill(stopSignal);
      await ended.catch(() => child.kill('SIGKILL'));
    }
    const { exitCode: code, signalCode: signal } = child;
    const exit = { code, signal, afterMs: performance.now() - startMs };
    const left = readdirSync(this.#folder);
    rmSync(this.#folder, { recursive: true, force: true });
    await expectGone(children);
    if (stopSignal === 'SIGKILL') return exit;
    assert.equal(code, 0, `it ended with code ${code}, signal ${signal}: ${this.stderr()}`);
    assert.ok(exit.afterMs < STOP_MS, `it took ${exit.afterMs} ms to end`);
    assert.deepEqual(left, [], 'temporary files are left');
    return exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGCONT');
    await this.stop();
  }
}

interface ProgramParts {
  readonly child: ChildProcess;
  readonly folder: string;
  readonly events: ProgramEvent[];
  readonly errors: string[];
  readonly changed: Set<() => void>;
}

function parseLine(line: string): ProgramEvent {
  const value: unknown = JSON.parse(line);
  assert.ok(typeof value === 'object' && value !== null && 'event' in value, `not an event: ${line}`);
  assert.equal(typeof value.event, 'string');
  return { ...value, event: String(value.event) };
}

/** Starts `rozan ARGS --json` and waits for its ready line. Every line that it writes has to be an event. */
export async function startProgram(args: readonly string[], options: ProgramOptions = {}): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), 'rozan-test-'));
  const child = spawn(process.execPath, [ROZAN, ...args, '--json'], {
    env: { ...environment(folder), ...options.env },
  });
  const parts: ProgramParts = { child, folder, events: [], errors: [], changed: new Set() };
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  child.stderr.setEncoding('utf8').on('data', (text: string) => parts.errors.push(text));
  const first = Promise.withResolvers<ProgramEvent>();
  let isFirst = true;
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = parseLine(line);
    if (isFirst) first.resolve(event);
    else parts.events.push(event);
    isFirst = false;
    for (const wake of [...parts.changed]) wake();
  });
  child.once('exit', (code) =>
    first.reject(new Error(`it ended with ${code} before it was ready: ${parts.errors.join('')}`)),
  );
  const timer = setTimeout(() => first.reject(new Error(`not ready: ${parts.errors.join('')}`)), READY_MS);
  try {
    const ready = await first.promise;
    assert.equal(ready.event, 'ready', 'the first line is the ready line');
    return new RunningProgram({ ...parts, ready, pid: child.pid ?? 0 });
  } catch (error) {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
