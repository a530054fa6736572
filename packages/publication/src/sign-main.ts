import { runProgram } from '@rozan/tunnel/program';
import { runCommandLine } from './program/command-line.ts';
import { createSignCommand } from './program/sign-command.ts';

/** Runs `rozan sign`; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan sign', () => runCommandLine(args, createSignCommand));
}
