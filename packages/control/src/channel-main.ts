import { runProgram } from '@rozan/tunnel/program';
import { runChannelCommand } from './command/control-command.ts';

/** Runs `rozan channel …`; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan channel', (signal) => runChannelCommand(args, signal));
}
