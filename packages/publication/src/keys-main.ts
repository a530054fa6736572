import { runProgram } from '@rozan/tunnel/program';
import { runCommandLine } from './program/command-line.ts';
import { createKeysCommand } from './program/keys-command.ts';

/** Runs `rozan keys`; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan keys', () => runCommandLine(args, createKeysCommand));
}
