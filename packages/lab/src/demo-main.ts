import { addressText, describe } from '@rozan/client';
import { allowOption } from '@rozan/relay';
import { createEnv, formatAddress, type SocketAddress } from '@rozan/tunnel';
import {
  addressOption,
  collect,
  createOutput,
  EXIT_CODE,
  parseCommand,
  runProgram,
  untilAborted,
} from '@rozan/tunnel/program';
import { Command } from 'commander';
import { createDemo, type DemoConfig } from './demo.ts';
import { guardDemo } from './demo-errors.ts';

interface RawOptions {
  readonly json?: boolean;
  readonly socks: string;
  readonly http: string;
  readonly data?: string;
  readonly egressAllow?: string[];
}

function createCommand(): Command {
  return new Command('npm start --')
    .description('A whole network on this machine: two relays, a client, and a web site to fetch.')
    .option('--socks <host:port>', 'where the SOCKS proxy listens', '127.0.0.1:1080')
    .option('--http <host:port>', 'where the HTTP proxy listens', '127.0.0.1:8080')
    .option('--data <dir>', 'keep the relays in this folder instead of a temporary one')
    .option('--egress-allow <cidr>', 'let the relays reach this network too; repeatable', collect)
    .option('--json', 'print events as JSON lines');
}

function configOf(options: RawOptions): DemoConfig {
  return {
    socks: addressOption('--socks', options.socks),
    http: addressOption('--http', options.http),
    folder: options.data ?? null,
    egressAllow: (options.egressAllow ?? []).map(allowOption),
  };
}

/** The text for a person once everything runs. */
function welcome(socks: string, http: string, site: string): string {
  return `A network of two relays and a client runs on this machine.

  SOCKS proxy   ${socks}
  HTTP proxy    ${http}
  demo site     ${site}

Try:  curl -x http://${http} ${site}
      curl --socks5-hostname ${socks} ${site}bytes/100 -o /dev/null

Ctrl-C ends it and leaves nothing behind.`;
}

async function runDemo(args: readonly string[], signal: AbortSignal): Promise<number> {
  const options = await parseCommand<RawOptions>(createCommand(), args);
  if (options === null) return EXIT_CODE.fine;
  const output = createOutput({
    json: options.json ?? false,
    write: (text) => process.stdout.write(text),
    describe: () => null,
  });
  let isReady = false;
  const env = createEnv({
    log: (event) => {
      output.log(event);
      const line = isReady ? describe(event) : null;
      if (line !== null) output.say(line);
    },
  });
  await using demo = await guardDemo(() => createDemo(configOf(options), env));
  await demo.client.ready(signal);
  const socks = addressText(demo.client.proxies.socks);
  const http = addressText(demo.client.proxies.http);
  const relays = demo.relays.map(({ address }: { address: SocketAddress }) => formatAddress(address));
  output.say(welcome(socks, http, demo.site.url));
  output.ready({ socks, http, site: demo.site.url, relays });
  isReady = true;
  await untilAborted(signal);
  return EXIT_CODE.fine;
}

/** Runs the demo; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan demo', (signal) => runDemo(args, signal));
}
