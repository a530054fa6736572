import { runProgram } from '@rozan/tunnel/program';
import { runPt } from './run-pt.ts';

/** Offers our transports as an executable of Tor's pluggable-transport specification; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan pt', (signal) => runPt(args, signal));
}
