// What the three command lines have in common.
import { readFile } from 'node:fs/promises';
import { createEnv, type Env } from '@rozan/tunnel';
import { FolderError } from '@rozan/tunnel/data-folder';
import { EXIT_CODE, ProgramError, parseCommand } from '@rozan/tunnel/program';
import type { Command } from 'commander';
import { PublicationError } from '../errors.ts';

/** What there is to print: one for programs, one for people. */
export interface Answer {
  readonly json: object;
  readonly text: string;
}

/** Work that a command line asks for. */
export type Task = (env: Env) => Promise<Answer>;

/** Takes the work that a subcommand asks for, and whether its answer is to be JSON. */
export type SetTask = (json: boolean | undefined, task: Task) => void;

/** Runs a command line: parses it, does what it asks for, prints the answer. Returns the exit code; throws a `ProgramError`. */
export async function runCommandLine(args: readonly string[], create: (setTask: SetTask) => Command): Promise<number> {
  const tasks: { readonly json: boolean; readonly task: Task }[] = [];
  const command = create((json, task) => tasks.push({ json: json ?? false, task }));
  if ((await parseCommand(command, args)) === null) return EXIT_CODE.fine;
  const env = createEnv({ log: () => {} });
  for (const { json, task } of tasks) {
    const answer = await told(() => task(env));
    process.stdout.write(`${json ? JSON.stringify(answer.json) : answer.text}\n`);
  }
  return EXIT_CODE.fine;
}

/** The passphrase in a file, without the end of its line. Throws a `ProgramError`. */
export async function readPassphrase(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined;
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the file of the passphrase cannot be read: ${path}`, { cause });
  });
  const passphrase = text.replace(/\r?\n$/, '');
  if (passphrase === '') throw new ProgramError(EXIT_CODE.usage, `the file of the passphrase is empty: ${path}`);
  return passphrase;
}

/** Bytes of a file that was named. Throws a `ProgramError`. */
export async function readNamedFile(path: string): Promise<Buffer> {
  return await readFile(path).catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.usage, `the file cannot be read: ${path}`, { cause });
  });
}

async function told<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    const { remedy } = cause instanceof PublicationError || cause instanceof FolderError ? cause : { remedy: null };
    if (cause instanceof FolderError) throw new ProgramError(EXIT_CODE.dataFolder, cause.message, { cause, remedy });
    if (cause instanceof PublicationError) throw new ProgramError(EXIT_CODE.failure, cause.message, { cause, remedy });
    throw cause;
  }
}
