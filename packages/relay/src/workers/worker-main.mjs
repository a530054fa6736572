// The program of a worker process. It is started by its supervisor and by nobody else.
import { runWorker } from './run-worker.ts';

await runWorker();
// What the sessions have written last may still be on its way; the channel alone keeps nothing alive.
process.channel?.unref();
