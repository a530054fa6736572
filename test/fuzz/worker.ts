import { parentPort, workerData } from 'node:worker_threads';
import { readCorpus } from './corpus.ts';
import { fuzzTarget } from './engine.ts';
import { findTarget } from './targets.ts';
import { MAX_SHOWN_BYTES, SHARED, type WorkerTask } from './watch.ts';

const task: WorkerTask = workerData;
const target = findTarget(task.target);
const numbers = new Int32Array(task.shared, 0, SHARED.header);
const shown = new Uint8Array(task.shared, 4 * SHARED.header, MAX_SHOWN_BYTES);
const endMs = performance.now() + task.durationMs;

const report = fuzzTarget(target, {
  seed: task.seed,
  corpus: readCorpus(target.name),
  maxExecutions: task.maxExecutions,
  isOver: () => performance.now() > endMs,
  onInput: (input) => {
    shown.set(input.subarray(0, MAX_SHOWN_BYTES));
    Atomics.store(numbers, SHARED.inputBytes, Math.min(input.length, MAX_SHOWN_BYTES));
    Atomics.add(numbers, SHARED.inputs, 1);
    Atomics.store(numbers, SHARED.isRunning, 1);
  },
  onPause: (executions) => {
    Atomics.store(numbers, SHARED.isRunning, 0);
    Atomics.store(numbers, SHARED.executions, executions);
  },
});
parentPort?.postMessage(report);
