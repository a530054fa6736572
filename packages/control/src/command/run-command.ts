// What the command lines of the control plane have in common.
import { homedir } from 'node:os';
import { join } from 'node:path';
import { TunnelError } from '@rozan/tunnel';
import { FolderError } from '@rozan/tunnel/data-folder';
import { EXIT_CODE, ProgramError, parseCommand } from '@rozan/tunnel/program';
import type { Command } from 'commander';
import { ControlError } from '../control-error.ts';

/** What the arguments ask for; returns the exit code. */
export type Task = (signal: AbortSignal) => Promise<number>;
export type SetTask = (task: Task) => void;

/** Where a control plane keeps its things when nobody says. */
export function usualFolder(): string {
  return join(process.env.XDG_DATA_HOME || join(homedir(), '.local', 'share'), 'rozan', 'control');
}

function exitCodeOf(error: ControlError | FolderError): number {
  return error instanceof FolderError || error.code === 'entry-key' ? EXIT_CODE.dataFolder : EXIT_CODE.failure;
}

/** Parses arguments and does what they ask for; returns the exit code. Throws a `ProgramError` for whatever a person can mend. */
export async function runCommand(
  create: (setTask: SetTask) => Command,
  args: readonly string[],
  signal: AbortSignal,
): Promise<number> {
  let task: Task = async () => EXIT_CODE.fine;
  const parsed = await parseCommand(
    create((given) => {
      task = given;
    }),
    args,
  );
  if (parsed === null) return EXIT_CODE.fine;
  try {
    return await task(signal);
  } catch (cause) {
    if (cause instanceof ControlError || cause instanceof FolderError) {
      throw new ProgramError(exitCodeOf(cause), cause.message, { cause, remedy: cause.remedy });
    }
    if (cause instanceof TunnelError) throw new ProgramError(EXIT_CODE.failure, cause.message, { cause });
    throw cause;
  }
}
