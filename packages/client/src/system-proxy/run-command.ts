import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { RunCommand } from './desktop.ts';

/** A command that has not ended by then is ended; in ms. */
const COMMAND_MS = 5000;

const runFile = promisify(execFile);

/** Runs a command of the system's, without a shell. */
export const runCommand: RunCommand = async ({ program, args, timeoutMs = COMMAND_MS }) => {
  const { stdout } = await runFile(program, [...args], { timeout: timeoutMs });
  return stdout;
};
