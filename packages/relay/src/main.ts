import { runProgram } from '@rozan/tunnel/program';
import { runRelayCommand } from './command/relay-command.ts';

/** Runs `rozan relay` and its subcommands; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan relay', (signal) => runRelayCommand(args, signal));
}
