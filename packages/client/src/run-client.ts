import { readFile } from 'node:fs/promises';
import type { Brand } from '@rozan/publication';
import {
  createBrowserLoader,
  createEnv,
  createPrograms,
  type Env,
  formatAddress,
  ipVersion,
  type Log,
  type LogEvent,
  type SocketAddress,
  type UpstreamProxy,
  viaProxy,
} from '@rozan/tunnel';
import { createOutput, EXIT_CODE, ProgramError, untilAborted } from '@rozan/tunnel/program';
import { addEntries } from './brand/add-command.ts';
import { findBrand, startWithBrand } from './brand/run-brand.ts';
import { parseNames } from './bypass/bypass-rules.ts';
import { BypassSwitch } from './bypass/bypass-switch.ts';
import { type Client, createClient } from './client.ts';
import { type ClientArguments, parseClientArguments, type TacticsArguments } from './config.ts';
import { ClientFolder } from './data-folder.ts';
import { describe } from './describe.ts';
import { type LinkedEntry, readEntries } from './entries.ts';
import { describeEstablish } from './establish/describe-establish.ts';
import { handOnNames } from './establish/name-resolver.ts';
import { brandSource, type EntrySource, ownSource } from './local-api/entry-source.ts';
import { findApp, openApp } from './local-api/open-app.ts';
import { EventTap, openAppParts, startApp, upstreamOf, withSettings } from './local-api/run-app.ts';
import type { SettingsStore, StoredSettings } from './local-api/settings-store.ts';
import { LocalProxyError } from './local-proxy/local-proxy-error.ts';
import { loginStart } from './start-at-login/login-command.ts';
import { describeTactics } from './tactics/describe-tactics.ts';
import type { ClientTactics } from './tactics/open-tactics.ts';
import { readTacticsFile, readTacticsKey } from './tactics/tactics-file.ts';
import { lookupProxy, readUpstreamProxy } from './upstream-source.ts';

/** With the app there need not be any: a person pastes them there. */
async function findEntries(
  env: Env,
  { entrySources, ui }: ClientArguments,
  folder: ClientFolder | null,
): Promise<LinkedEntry[]> {
  const stored = entrySources.length === 0 ? await folder?.storedEntries() : null;
  const sources = stored ? [stored] : entrySources;
  if (sources.length === 0) {
    if (ui !== null) return [];
    throw new ProgramError(EXIT_CODE.usage, 'a client needs a server entry to begin with', {
      remedy:
        'Give it one with --entry FILE (a file with a rozan:// link; - is standard input), or a brand file with --brand FILE.',
    });
  }
  const entries = await readEntries(env, sources);
  if (!stored) await folder?.storeEntries(entries.map(({ link }) => link));
  return entries;
}

async function findTactics(
  { file, keySources }: TacticsArguments,
  { country, asn }: ClientArguments,
  folder: ClientFolder | null,
): Promise<ClientTactics> {
  const keys = await Promise.all(keySources.map(readTacticsKey));
  return { read: () => readTacticsFile(file), keys, country, asn, store: folder?.tactics ?? null };
}

/** What a client starts from, beside its arguments. */
interface StartOptions {
  readonly folder: ClientFolder | null;
  readonly brand: Brand | null;
  readonly upstream: UpstreamProxy | null;
  /** With the app: what was set there. */
  readonly settings: SettingsStore | null;
  readonly bypass: BypassSwitch;
}

/** A client, and its entries as the app sees them. */
interface Started extends AsyncDisposable {
  readonly client: Client;
  readonly source: EntrySource;
}

function startedOf(client: Client, source: EntrySource): Started {
  return { client, source, [Symbol.asyncDispose]: () => client[Symbol.asyncDispose]() };
}

/** Without an entry there is nothing to connect with, and a person has to be asked first. */
function isPausedAtFirst(settings: SettingsStore | null, hasEntries: boolean): boolean {
  return settings !== null && !(settings.current.connectAtStart && hasEntries);
}

async function start(bare: Env, args: ClientArguments, options: StartOptions): Promise<Started> {
  const { folder, brand, upstream, settings, bypass } = options;
  const env =
    upstream === null ? bare : { ...bare, network: viaProxy(bare.network, upstream, { resolve: lookupProxy }) };
  const resolve = upstream === null ? undefined : handOnNames;
  const tactics = args.tactics === null ? undefined : await findTactics(args.tactics, args, folder);
  const explain = args.explain || args.ui !== null;
  const config = {
    ...args,
    ...{ memory: folder?.memory, tactics, resolve, explain },
    country: args.country ?? settings?.current.country ?? null,
    bypass: () => bypass.rules,
    isMetered: () => settings?.current.meteredData ?? false,
    region: () => settings?.current.region ?? null,
  };
  try {
    if (folder !== null && brand !== null) {
      const isPaused = isPausedAtFirst(settings, true);
      const client = await startWithBrand(env, { ...config, isPaused, brand, folder });
      return startedOf(client, brandSource(client));
    }
    const linked = await findEntries(bare, args, folder);
    const isPaused = isPausedAtFirst(settings, linked.length > 0);
    const client = await createClient({ ...config, isPaused, entries: linked.map(({ entry }) => entry) }, env);
    return startedOf(client, ownSource(client, linked, folder));
  } catch (error) {
    if (error instanceof LocalProxyError) {
      throw new ProgramError(EXIT_CODE.cannotListen, error.message, { cause: error });
    }
    throw error;
  }
}

/** The text of an address that was listened at. */
export function addressText(address: SocketAddress | undefined): string {
  return address === undefined ? '' : formatAddress(address);
}

/** Executables of others take no names. */
async function literalProxy(upstream: UpstreamProxy | null, signal: AbortSignal): Promise<UpstreamProxy | undefined> {
  if (upstream === null) return undefined;
  const { host } = upstream;
  return ipVersion(host) !== 0 ? upstream : { ...upstream, host: await lookupProxy(host, signal) };
}

/** An account of why it cannot connect is of no use once it has: those events do not wait for the ready line. */
function explainAtOnce(log: Log, write: (text: string) => void): Log {
  return (event) => {
    if (event.event.startsWith('establish.')) write(`${JSON.stringify(event)}\n`);
    else log(event);
  };
}

async function findUpstream(
  env: Env,
  { upstreamSource }: ClientArguments,
  settings: SettingsStore | null,
): Promise<UpstreamProxy | null> {
  if (upstreamSource !== null) return await readUpstreamProxy(env, upstreamSource);
  return settings === null ? null : upstreamOf(settings.current);
}

async function openFolder({ dataFolder, brandFile, ui }: ClientArguments): Promise<ClientFolder | null> {
  const path = dataFolder ?? (brandFile === null && ui === null ? null : ClientFolder.usualPath());
  return path === null ? null : await ClientFolder.open(path);
}

/**
 * Whether a client with the app runs on this folder already; then a person who has asked for the app gets that one. Throws a `ProgramError` where
 * nobody has asked: two clients on a folder would undo what the other writes.
 */
async function isRunning(env: Env, folder: ClientFolder, { opensApp }: ClientArguments): Promise<boolean> {
  const url = await findApp(env, folder);
  if (url === null) return false;
  if (!opensApp) {
    throw new ProgramError(EXIT_CODE.dataFolder, 'a client runs on this folder already', {
      remedy: 'Open its app with rozan app, or choose another folder with --data DIR.',
    });
  }
  await openApp(folder, url);
  process.stdout.write('Rozan runs already; its app has been opened.\n');
  return true;
}

/** Which places are domestic: what the command line says stands above the settings. */
async function openBypass(
  { bypassDomestic, bypassList, country }: ClientArguments,
  settings: SettingsStore | null,
): Promise<{
  readonly bypass: BypassSwitch;
  /** Has new settings act; calls `endDirect` when what is direct now may not be so any more. */
  readonly follow: (settings: StoredSettings | null, endDirect?: () => void) => Promise<void>;
}> {
  const text =
    bypassList === null
      ? ''
      : await readFile(bypassList, 'utf8').catch((cause: unknown) => {
          throw new ProgramError(EXIT_CODE.usage, `the list of domestic names could not be read: ${bypassList}`, {
            cause,
          });
        });
  const bypass = new BypassSwitch(parseNames(text));
  const follow = async (now: StoredSettings | null, endDirect = () => {}) => {
    const { rules } = bypass;
    const isOn = bypassDomestic || (now?.bypassDomestic ?? false);
    await bypass.set({ isOn, country: country ?? now?.country ?? null }).finally(() => {
      if (rules !== null && bypass.rules !== rules) endDirect();
    });
  };
  await follow(settings?.current ?? null);
  return { bypass, follow };
}

/** `rozan client`: runs until the signal is aborted; returns the exit code. */
export async function runClient(args: readonly string[], signal: AbortSignal): Promise<number> {
  if (args[0] === 'add') return addEntries(args.slice(1));
  const said = await parseClientArguments(args);
  if (said === null) return EXIT_CODE.fine;
  const { json, explain, brandFile, ui } = said;
  const write = (text: string) => process.stdout.write(text);
  const tell = (event: LogEvent) =>
    describe(event) ?? (explain ? (describeEstablish(event) ?? describeTactics(event)) : null);
  const output = createOutput({ json, write, describe: tell });
  const tap = new EventTap(explain && json ? explainAtOnce(output.log, write) : output.log, { explain });
  const bare = createEnv({ log: tap.log });
  const folder = await openFolder(said);
  const brand = folder === null ? null : await findBrand(folder, brandFile);
  if (ui !== null && folder !== null && (await isRunning(bare, folder, said))) return EXIT_CODE.fine;
  await using parts = ui === null ? null : await openAppParts(bare, folder, loginStart(said));
  const settings = parts?.settings ?? null;
  const parsed = settings === null ? said : withSettings(said, settings.current);
  const upstream = await findUpstream(bare, parsed, settings);
  const proxy = await literalProxy(upstream, signal);
  await using programs = createPrograms(bare, { commands: parsed.programs, proxy });
  const env = { ...bare, programs, loadBrowserSockets: createBrowserLoader() };
  const { bypass, follow } = await openBypass(parsed, settings);
  await using started = await start(env, parsed, { folder, brand, upstream, settings, bypass });
  const { client } = started;
  const onSettings = async (now: StoredSettings, before: StoredSettings) => {
    await follow(now, () => client.endDirect());
    if (now.region !== null && now.region !== before.region) client.moveToRegion();
  };
  const appOptions = { parsed, ...started, brand, folder, tap, onSettings };
  await using app = parts === null ? null : await startApp(bare, { ...appOptions, parts });
  const socks = addressText(client.proxies.socks);
  const http = addressText(client.proxies.http);
  output.say(`SOCKS proxy: ${socks}\nHTTP proxy:  ${http}`);
  if (app === null) {
    output.say('Connecting; Ctrl-C ends it.');
    await client.ready(signal);
    output.ready({ socks, http });
  } else {
    const url = app.openUrl();
    output.say(`App:         ${url}\nOpen it within a minute; Ctrl-C ends it.`);
    output.ready({ socks, http, ui: url });
    if (parsed.opensApp && folder !== null) {
      // Somebody without a browser has everything else.
      await openApp(folder, app.openUrl()).then(
        () => output.log({ event: 'app.opened' }),
        () => output.log({ event: 'app.unopened' }),
      );
    }
  }
  await untilAborted(signal);
  return EXIT_CODE.fine;
}
