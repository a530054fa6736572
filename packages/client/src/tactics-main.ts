import { runProgram } from '@rozan/tunnel/program';
import { runTacticsCommand } from './tactics/tactics-command.ts';

/** Runs `rozan tactics` and its subcommands; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan tactics', () => runTacticsCommand(args));
}
