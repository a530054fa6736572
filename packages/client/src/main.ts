import { runProgram } from '@rozan/tunnel/program';
import { runClient } from './run-client.ts';

/** Runs a client; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan client', (signal) => runClient(args, signal));
}
