import { createEnv } from '@rozan/tunnel';
import type { ToSupervisor, ToWorker } from './messages.ts';
import { Worker } from './worker.ts';

/** Signals go to the supervisor, which ends its workers; a terminal's Ctrl-C reaches all of them. */
const IGNORED_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * What a worker process does: serves what its supervisor tells it to, until that says stop. When the supervisor is gone, however that came,
 * Node ends the process (node:cluster).
 */
export async function runWorker(): Promise<void> {
  for (const signal of IGNORED_SIGNALS) process.on(signal, () => {});
  const send = (message: ToSupervisor): void => {
    if (process.connected) process.send?.(message, undefined, {}, () => {});
  };
  const env = createEnv({ log: (event) => send({ kind: 'log', event }) });
  await using worker = new Worker(env, { send });
  process.on('message', (message: ToWorker) => worker.receive(message));
  send({ kind: 'hello' });
  await worker.over;
}
