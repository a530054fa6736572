import { EXIT_CODE, ProgramError } from './exit-code.ts';

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** How long a program may take to let go of what it holds once it is asked to stop, unless it says otherwise. */
const STOP_MS = 2000;

/**
 * Runs a program until it ends or is told to stop; returns its exit code. `run` gets a signal that is aborted by SIGINT, SIGTERM or SIGHUP,
 * and should end within `stopMs`: after that it is left as it is. A `ProgramError` is told on stderr, with its remedy.
 */
export async function runProgram(
  name: string,
  run: (signal: AbortSignal) => Promise<number>,
  { stopMs = STOP_MS }: { readonly stopMs?: number } = {},
): Promise<number> {
  const stop = new AbortController();
  const stopped = Promise.withResolvers<number>();
  const onSignal = () => {
    stop.abort();
    setTimeout(() => stopped.resolve(EXIT_CODE.fine), stopMs).unref();
  };
  for (const signal of STOP_SIGNALS) process.on(signal, onSignal);
  try {
    return await Promise.race([run(stop.signal), stopped.promise]);
  } catch (error) {
    if (stop.signal.aborted) return EXIT_CODE.fine;
    if (!(error instanceof ProgramError)) throw error;
    process.stderr.write(`${name}: ${error.message}\n`);
    if (error.remedy !== null) process.stderr.write(`${error.remedy}\n`);
    return error.exitCode;
  }
  // The listeners stay: npm passes Ctrl-C on a second time, and a signal on the way out must not change how the program ends.
}

/** Resolves when the signal is aborted. The process stays alive until then. */
export function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const keepAlive = setInterval(() => {}, 0x7fff_ffff);
    const done = () => {
      clearInterval(keepAlive);
      resolve();
    };
    if (signal.aborted) done();
    else signal.addEventListener('abort', done, { once: true });
  });
}
