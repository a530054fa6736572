import { runProgram } from '@rozan/tunnel/program';
import { runControlCommand } from './command/control-command.ts';

/** Runs `rozan control` and its subcommands; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan control', (signal) => runControlCommand(args, signal));
}
