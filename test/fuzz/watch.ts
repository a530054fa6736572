import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { Finding, FuzzReport } from './engine.ts';

/** An input that takes more processor time is a finding. By the clock of the wall a busy machine would make findings of its own. */
const HANG_MS = 2000;
const CHECK_MS = 250;

/** Offsets, in 32-bit numbers, of what the worker says while it runs. */
export const SHARED = { inputs: 0, isRunning: 1, inputBytes: 2, executions: 3, header: 4 } as const;

/** The longest input that the worker can show. */
export const MAX_SHOWN_BYTES: number = 256 * 1024;

/** What a worker is told. */
export interface WorkerTask {
  readonly target: string;
  readonly seed: number;
  readonly maxExecutions: number;
  readonly durationMs: number;
  readonly shared: SharedArrayBuffer;
}

/** The same report, and how long it took. */
export interface WatchedReport extends FuzzReport {
  readonly durationMs: number;
}

/** Fuzzes a target in a thread of its own, so that an input that never comes back can be told and ended. */
export function fuzzWatched(task: Omit<WorkerTask, 'shared'>): Promise<WatchedReport> {
  const shared = new SharedArrayBuffer(4 * SHARED.header + MAX_SHOWN_BYTES);
  const numbers = new Int32Array(shared, 0, SHARED.header);
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const worker = new Worker(fileURLToPath(new URL('./worker.ts', import.meta.url)), {
      workerData: { ...task, shared } satisfies WorkerTask,
    });
    const stopWatching = watchInputs(numbers, () => {
      worker.removeAllListeners();
      worker.terminate();
      const length = Atomics.load(numbers, SHARED.inputBytes);
      const input = Buffer.from(new Uint8Array(shared, 4 * SHARED.header, length));
      const finding = { input, description: `hangs: not back after ${HANG_MS} ms of work` };
      const executions = Atomics.load(numbers, SHARED.executions);
      resolve({ executions, newInputs: [], coveredCharacters: 0, finding, durationMs: performance.now() - startedMs });
    });
    worker.once('message', (report: FuzzReport) => {
      stopWatching();
      resolve({ ...asBuffers(report), durationMs: performance.now() - startedMs });
    });
    worker.once('error', (error) => {
      stopWatching();
      reject(error);
    });
  });
}

/** Calls `onHang` once when the same input has been running for too long. */
function watchInputs(numbers: Int32Array, onHang: () => void): () => void {
  let lastInput = -1;
  let sinceMs = 0;
  const workMs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  };
  const timer = setInterval(() => {
    const input = Atomics.load(numbers, SHARED.inputs);
    const isSame = input === lastInput && Atomics.load(numbers, SHARED.isRunning) === 1;
    lastInput = input;
    if (!isSame) sinceMs = workMs();
    else if (workMs() - sinceMs > HANG_MS) {
      clearInterval(timer);
      onHang();
    }
  }, CHECK_MS);
  return () => clearInterval(timer);
}

/** A message between threads turns buffers into plain arrays of bytes. */
function asBuffers(report: FuzzReport): FuzzReport {
  const finding: Finding | null = report.finding && { ...report.finding, input: Buffer.from(report.finding.input) };
  return { ...report, newInputs: report.newInputs.map((input) => Buffer.from(input)), finding };
}
