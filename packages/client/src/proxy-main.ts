import { addressOption, createOutput, EXIT_CODE, ProgramError, parseCommand, runProgram } from '@rozan/tunnel/program';
import { Command } from 'commander';
import { ClientFolder } from './data-folder.ts';
import { openSystemProxy } from './system-proxy/open-system-proxy.ts';
import type { SystemProxy } from './system-proxy/system-proxy.ts';

interface Options {
  readonly data?: string;
  readonly socks: string;
  readonly http: string;
}

function createCommand(): Command {
  return new Command('rozan proxy')
    .description('Has the system use the proxies of a client, or puts back what was there before.')
    .argument('<on|off>')
    .option('--data <dir>', "the client's folder, where it is kept what was there before")
    .option('--socks <host:port>', 'where the SOCKS proxy listens', '127.0.0.1:1080')
    .option('--http <host:port>', 'where the HTTP proxy listens', '127.0.0.1:8080')
    .action(() => {});
}

async function run(args: readonly string[]): Promise<number> {
  const command = createCommand();
  const options = await parseCommand<Options>(command, args);
  if (options === null) return EXIT_CODE.fine;
  const [verb] = command.args;
  if (verb !== 'on' && verb !== 'off') throw new ProgramError(EXIT_CODE.usage, 'rozan proxy takes on or off');
  const [socks, http] = [addressOption('--socks', options.socks), addressOption('--http', options.http)];
  const output = createOutput({ json: false, write: (text) => process.stdout.write(text), describe: () => null });
  const proxy = await openSystemProxy(await ClientFolder.open(options.data ?? ClientFolder.usualPath()), output.log);
  // Should opening it not have put everything back, this says so.
  await proxy.off().catch((cause: unknown) => {
    throw new ProgramError(EXIT_CODE.failure, "the system's own settings could not be put back", {
      cause,
      remedy: 'Run rozan proxy off inside of the session in which they were set; they are kept until then.',
    });
  });
  if (verb === 'on') {
    await proxy.on({ host: http.host, socksPort: socks.port, httpPort: http.port }).catch((cause: unknown) => {
      throw new ProgramError(EXIT_CODE.failure, 'the proxy of this system cannot be set', {
        cause,
        remedy: `Set it by hand: HTTP ${options.http}, SOCKS ${options.socks}. Windows, macOS, GNOME and KDE are known, the last two from inside of their session.`,
      });
    });
  }
  output.say(saying(verb, proxy));
  return EXIT_CODE.fine;
}

function saying(verb: 'on' | 'off', { isForeign }: SystemProxy): string {
  if (verb === 'on') return 'The system uses the proxies of Rozan.';
  if (isForeign) return 'The system has its own settings again, but for what another program has changed: that stays.';
  return 'The system has its own settings again.';
}

/** Sets the system's proxy, or puts it back; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan proxy', () => run(args));
}
