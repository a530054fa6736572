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
import { guardDemo } from './errors.ts';

/** Its database writes down what it has before it ends. */
const STOP_MS = 4_500;

interface RawOptions {
  readonly json?: boolean;
  readonly socks: string;
  readonly http: string;
  readonly ui: string;
  readonly control: string;
  readonly data?: string;
  readonly egressAllow?: string[];
}

/** Where everything is. */
interface Places {
  readonly socks: string;
  readonly http: string;
  readonly ui: string;
  readonly site: string;
  readonly control: string;
  readonly publication: string;
  readonly brand: string;
  readonly login?: string;
}

function createCommand(): Command {
  return new Command('npm start --')
    .description('A whole network on this machine: a control plane, three relays, a client, and a web site to fetch.')
    .option('--socks <host:port>', 'where the SOCKS proxy listens', '127.0.0.1:1080')
    .option('--http <host:port>', 'where the HTTP proxy listens', '127.0.0.1:8080')
    .option('--ui <host:port>', "where the client's app is served; a free port without", '127.0.0.1:0')
    .option('--control <host:port>', 'where the control plane listens; a free port without', '127.0.0.1:0')
    .option('--data <dir>', 'keep the network in this folder instead of a temporary one')
    .option('--egress-allow <cidr>', 'let the relays reach this network too; repeatable', collect)
    .option('--json', 'print events as JSON lines');
}

function configOf(options: RawOptions): DemoConfig {
  return {
    socks: addressOption('--socks', options.socks),
    http: addressOption('--http', options.http),
    ui: addressOption('--ui', options.ui),
    control: addressOption('--control', options.control),
    folder: options.data ?? null,
    egressAllow: (options.egressAllow ?? []).map(allowOption),
  };
}

/** The text for a person once everything runs. */
function welcome({ socks, http, ui, site, control, publication, brand, login }: Places): string {
  const loginLine = login === undefined ? '' : `\n  first login    ${login}`;
  return `A network of a control plane, three relays and a client runs on this machine.

  app            ${ui}
  SOCKS proxy    ${socks}
  HTTP proxy     ${http}
  demo site      ${site}
  control plane  ${control} (its API: ${control}/openapi.json)${loginLine}
  publication    ${publication}
  brand file     ${brand}

Open the app in a browser, within a minute (its link is good once).
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
  const { control, publication, brandFile: brand, loginLink, site } = demo;
  const login = loginLink === null ? {} : { login: loginLink };
  const places = { socks, http, ui: demo.appUrl(), site: site.url, control, publication, brand, ...login };
  const relays = demo.relays.map(({ address }: { address: SocketAddress }) => formatAddress(address));
  output.say(welcome(places));
  output.ready({ ...places, relays });
  isReady = true;
  await untilAborted(signal);
  return EXIT_CODE.fine;
}

/** Runs the demo; returns the exit code. */
export function main(args: string[]): Promise<number> {
  return runProgram('rozan demo', (signal) => runDemo(args, signal), { stopMs: STOP_MS });
}
