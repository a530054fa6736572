import { runProgram } from '@rozan/tunnel/program';
import { runCommandLine } from './program/command-line.ts';
import { createPublishCommand } from './program/publish-command.ts';

/** Runs `rozan publish`; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan publish', () => runCommandLine(args, createPublishCommand));
}
