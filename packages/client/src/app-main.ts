import { createEnv } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError, parseCommand, runProgram } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { ClientFolder } from './data-folder.ts';
import { findApp, openApp } from './local-api/open-app.ts';

interface Options {
  readonly data?: string;
  readonly print?: boolean;
}

async function run(args: readonly string[]): Promise<number> {
  const command = new Command('rozan app')
    .description('Opens the app of a client that runs with --ui.')
    .option('--data <dir>', "the client's folder")
    .option('--print', 'print its address, which is good once and for a minute, and open nothing');
  const options = await parseCommand<Options>(command, args);
  if (options === null) return EXIT_CODE.fine;
  const folder = await ClientFolder.open(options.data ?? ClientFolder.usualPath());
  const url = await findApp(createEnv({ log: () => {} }), folder);
  if (url === null) {
    throw new ProgramError(EXIT_CODE.failure, 'no client with the app runs on this folder', {
      remedy:
        'Start one: rozan client --ui 127.0.0.1:7777 --open. If it runs on another folder, name that with --data DIR.',
    });
  }
  if (options.print === true) process.stdout.write(`${url}\n`);
  else await openApp(folder, url);
  return EXIT_CODE.fine;
}

/** Opens the app; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan app', () => run(args));
}
