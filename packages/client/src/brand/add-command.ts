import { createEnv } from '@rozan/tunnel';
import { EXIT_CODE, parseCommand } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { ClientFolder } from '../data-folder.ts';
import { readEntries } from '../entries.ts';

/** `rozan client add`: returns the exit code. Throws a `ProgramError`. */
export async function addEntries(args: readonly string[]): Promise<number> {
  const command = new Command('rozan client add')
    .description('Give a client that has a brand, and may be running, another server entry.')
    .argument('<source>', 'a file with rozan:// links, - for standard input, or a link')
    .option('--data <dir>', "the client's folder");
  const options = await parseCommand<{ readonly data?: string }>(command, args);
  if (options === null) return EXIT_CODE.fine;
  const env = createEnv({ log: () => {} });
  const entries = await readEntries(env, [command.args[0] ?? '-']);
  const folder = await ClientFolder.open(options.data ?? ClientFolder.usualPath());
  await folder.addLinks(
    env,
    entries.map(({ link }) => link),
  );
  process.stdout.write(`${entries.length} given. A client that runs here takes them within seconds.\n`);
  return EXIT_CODE.fine;
}
