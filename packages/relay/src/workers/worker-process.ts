import cluster from 'node:cluster';
import { fileURLToPath } from 'node:url';
import type { Channel, ToSupervisor, ToWorker } from './messages.ts';

/** A running worker, as its supervisor sees it. */
export interface WorkerProcess extends Channel<ToWorker> {
  /** Ends it at once. */
  kill(): void;
}

/** What a supervisor hears of a worker. */
export interface WorkerProcessEvents {
  onMessage(message: ToSupervisor): void;
  /** It is gone. */
  onExit(): void;
}

/** Starts a worker. */
export type StartWorker = (events: WorkerProcessEvents) => WorkerProcess;

/**
 * Starts a worker as a process of its own. This process accepts for all of them and deals the connections out in turn: the kernel's own
 * ways of sharing a socket leave one worker with most of what comes at once (docs/decisions.md). A worker that closes its listener gets
 * none, and the port is closed when all have.
 */
export const forkWorker: StartWorker = ({ onMessage, onExit }) => {
  cluster.schedulingPolicy = cluster.SCHED_RR;
  cluster.setupPrimary({
    exec: fileURLToPath(new URL('./worker-main.mjs', import.meta.url)),
    args: [],
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const worker = cluster.fork();
  worker.on('message', onMessage);
  // What cannot be sent is for a process that is ending; its exit tells.
  worker.on('error', () => {});
  worker.once('exit', onExit);
  return {
    send: (message) => {
      if (worker.isConnected()) worker.process.send(message, () => {});
    },
    kill: () => {
      worker.process.kill('SIGKILL');
    },
  };
};
