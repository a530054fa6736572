import { MAX_BOND_CARRIERS, type RotationPolicy, type SocketAddress } from '@rozan/tunnel';
import { addressOption, collect, EXIT_CODE, ProgramError, parseCommand } from '@rozan/tunnel/program';
import { Command } from 'commander';
import type { CarrierCount } from './establish/relay-dialer.ts';
import { isLoopbackHost } from './local-proxy/target-host.ts';
import { asnOption, countryOption } from './tactics/fact-options.ts';

/** What the command line of a client says. */
export interface ClientArguments {
  readonly entrySources: readonly string[];
  readonly json: boolean;
  readonly socks: SocketAddress;
  readonly http: SocketAddress;
  readonly strictReplies: boolean;
  readonly rotation: RotationPolicy;
  readonly carriers: CarrierCount;
  readonly adaptive: boolean;
  readonly dataFolder: string | null;
  /** A brand file; null without. */
  readonly brandFile: string | null;
  /** Executables of Tor transports, by method, each with its arguments. */
  readonly programs: ReadonlyMap<string, string>;
  /** Where the upstream proxy is said: a URL, a file, or `env`; null for none. */
  readonly upstreamSource: string | null;
  readonly explain: boolean;
  /** Null for no tactics. */
  readonly tactics: TacticsArguments | null;
  /** Where the app and its API are served; null for nowhere. */
  readonly ui: SocketAddress | null;
  /** Open the app in the person's browser. */
  readonly opensApp: boolean;
  /** The country that the person is in; null where it is not said. */
  readonly country: string | null;
  /** The autonomous system that the person is in; null where it is not said. */
  readonly asn: number | null;
  /** Whether domestic places are reached past the tunnel. */
  readonly bypassDomestic: boolean;
  /** A file with further names that are; null for none. */
  readonly bypassList: string | null;
  /** Proxies whose address was said, and so stands above the settings. */
  readonly saidProxies: ReadonlySet<'socks' | 'http'>;
}

/** What the command line says of tactics. */
export interface TacticsArguments {
  readonly file: string;
  /** Public keys, or files that hold them; at least one. */
  readonly keySources: readonly string[];
}

interface RawOptions {
  readonly brand?: string;
  readonly entry?: string[];
  readonly json?: boolean;
  readonly socks: string;
  readonly http: string;
  readonly strictReplies?: boolean;
  readonly rotateAfter?: string;
  readonly rotateBytes?: string;
  readonly carriers?: string;
  readonly carriersPerAddress?: string;
  readonly data?: string;
  readonly pt?: string[];
  readonly upstreamProxy?: string;
  readonly explain?: boolean;
  readonly tactics?: string;
  readonly tacticsKey?: string[];
  readonly country?: string;
  readonly asn?: string;
  readonly ui?: string;
  readonly open?: boolean;
  readonly bypassDomestic?: boolean;
  readonly bypassList?: string;
}

/** A carrier's limits are drawn between this share of what was asked for and all of it. */
const ROTATION_LEAST_SHARE = 0.6;

function rangeUpTo(option: string, text: string | undefined, unit: number): readonly [number, number] | null {
  if (text === undefined) return null;
  const value = Number(text) * unit;
  if (!(value > 0)) throw new ProgramError(EXIT_CODE.usage, `${option} takes a number above 0`);
  return [value * ROTATION_LEAST_SHARE, value];
}

function countOf(option: string, text: string, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  const range = Number.isFinite(most) ? `from 1 to ${most}` : 'of at least 1';
  throw new ProgramError(EXIT_CODE.usage, `${option} takes a whole number ${range}`);
}

/** What a person has set stays as it is. */
function isAdaptive({ carriers, rotateAfter, rotateBytes }: RawOptions): boolean {
  return carriers === undefined && rotateAfter === undefined && rotateBytes === undefined;
}

function carrierCount(options: RawOptions): CarrierCount {
  const { carriers = isAdaptive(options) ? String(MAX_BOND_CARRIERS) : '1', carriersPerAddress } = options;
  const most = Number.POSITIVE_INFINITY;
  return {
    total: countOf('--carriers', carriers, MAX_BOND_CARRIERS),
    perAddress: carriersPerAddress === undefined ? most : countOf('--carriers-per-address', carriersPerAddress, most),
  };
}

/** Reads `--pt METHOD=EXECUTABLE`. */
function programOption(text: string): readonly [string, string] {
  const [, method, command] = /^(\w+)=(.+)$/.exec(text) ?? [];
  if (method !== undefined && command !== undefined) return [method, command];
  throw new ProgramError(EXIT_CODE.usage, '--pt reads METHOD=EXECUTABLE, such as obfs4=/usr/bin/obfs4proxy');
}

function tacticsArguments({ tactics: file, tacticsKey = [] }: RawOptions): TacticsArguments | null {
  if (file !== undefined && tacticsKey.length > 0) return { file, keySources: tacticsKey };
  if (file === undefined && tacticsKey.length === 0) return null;
  throw new ProgramError(EXIT_CODE.usage, '--tactics and --tactics-key go together', {
    remedy: 'Tactics are taken only when they are signed by a key that you name.',
  });
}

function uiAddress(text: string | undefined): SocketAddress | null {
  if (text === undefined) return null;
  const address = addressOption('--ui', text);
  if (isLoopbackHost(address.host)) return address;
  throw new ProgramError(EXIT_CODE.usage, '--ui takes an address of this machine alone', {
    remedy: 'Say --ui 127.0.0.1:7777. The app is for the person at this machine, and nobody else may reach it.',
  });
}

function opensApp({ open = false, ui }: RawOptions): boolean {
  if (open && ui === undefined) {
    throw new ProgramError(EXIT_CODE.usage, '--open opens the app, which is served with --ui', {
      remedy: 'Say --ui 127.0.0.1:7777 --open.',
    });
  }
  return open;
}

function bypassOptions(options: RawOptions): Pick<ClientArguments, 'country' | 'bypassDomestic' | 'bypassList'> {
  const country = countryOption(options.country);
  const { bypassDomestic = false, bypassList = null, ui } = options;
  // With the app the country may be one of its settings.
  if (bypassDomestic && country === null && ui === undefined) {
    throw new ProgramError(EXIT_CODE.usage, '--bypass-domestic needs to know which country is your own', {
      remedy: 'Say --country IR.',
    });
  }
  return { country, bypassDomestic, bypassList };
}

function createCommand(): Command {
  return new Command('rozan client')
    .description('Reaches the internet through relays: SOCKS and HTTP proxies on this machine.')
    .option('--entry <source>', 'a file with rozan:// links, - for standard input, or a link; repeatable', collect)
    .option('--brand <file>', 'a brand file: all that it takes to start; kept in the data folder for the next time')
    .option('--socks <host:port>', 'where the SOCKS proxy listens', '127.0.0.1:1080')
    .option('--http <host:port>', 'where the HTTP proxy listens', '127.0.0.1:8080')
    .option('--data <dir>', 'a folder that remembers the entries for the next start')
    .option('--strict-replies', 'tell applications of success only when the site is connected (a round trip more)')
    .option('--rotate-after <seconds>', 'replace connections before they are this old')
    .option('--rotate-bytes <bytes>', 'replace connections before they have carried this much')
    .option('--carriers <number>', 'connections to the relay at once, 1 to 8; as many as turn out to be of use without')
    .option('--carriers-per-address <number>', 'never use more of them to one address (one is kept for replacement)')
    .option(
      '--pt <method=executable>',
      'the executable of a Tor transport, such as obfs4=/usr/bin/obfs4proxy; repeatable',
      collect,
    )
    .option(
      '--upstream-proxy <source>',
      'a proxy that stands before the internet here: http:// or socks5:// URL, a file that holds one, or env',
    )
    .option('--tactics <file>', 'signed starting values for this network, from those who run the relays')
    .option('--tactics-key <key>', 'the public key that has signed them, or a file that holds it; repeatable', collect)
    .option('--country <code>', 'the country that you are in, such as IR: for tactics, home pages and domestic places')
    .option('--bypass-domestic', 'reach places in your own country directly: they, and the network, see your address')
    .option('--bypass-list <file>', 'further names that are domestic, one a line')
    .option('--asn <number>', 'the autonomous system that you are in, such as 44244, for tactics')
    .option('--ui <host:port>', 'serve the app at this address of this machine, such as 127.0.0.1:7777')
    .option('--open', 'with --ui: open the app in your browser')
    .option('--explain', 'tell what is tried, and why it fails')
    .option('--json', 'print events as JSON lines')
    .addHelpText(
      'after',
      '\n`rozan client add FILE` gives a client that has a brand, and may be running, another server entry.',
    );
}

/** Parses a client's arguments; null when they asked for help, which has been printed. Throws a `ProgramError` (usage). */
export async function parseClientArguments(args: readonly string[]): Promise<ClientArguments | null> {
  const command = createCommand();
  const options = await parseCommand<RawOptions>(command, args);
  if (options === null) return null;
  return {
    entrySources: options.entry ?? [],
    json: options.json ?? false,
    socks: addressOption('--socks', options.socks),
    http: addressOption('--http', options.http),
    strictReplies: options.strictReplies ?? false,
    rotation: {
      ageMs: rangeUpTo('--rotate-after', options.rotateAfter, 1000),
      bytes: rangeUpTo('--rotate-bytes', options.rotateBytes, 1),
    },
    carriers: carrierCount(options),
    adaptive: isAdaptive(options),
    dataFolder: options.data ?? null,
    brandFile: options.brand ?? null,
    programs: new Map((options.pt ?? []).map(programOption)),
    upstreamSource: options.upstreamProxy ?? null,
    explain: options.explain ?? false,
    tactics: tacticsArguments(options),
    ui: uiAddress(options.ui),
    opensApp: opensApp(options),
    ...bypassOptions(options),
    asn: asnOption(options.asn),
    saidProxies: new Set((['socks', 'http'] as const).filter((name) => command.getOptionValueSource(name) === 'cli')),
  };
}
