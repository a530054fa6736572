import { runProgram } from '@rozan/tunnel/program';
import { runBrandCommand } from './command/brand-command.ts';

/** Runs `rozan brand`; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan brand', () => runBrandCommand(args));
}
