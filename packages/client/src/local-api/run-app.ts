import { type Brand, homeOf } from '@rozan/publication';
import { type Env, type Log, type LogEvent, TunnelError, type UpstreamProxy } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import manifest from '../../package.json' with { type: 'json' };
import type { Client } from '../client.ts';
import type { ClientArguments } from '../config.ts';
import type { ClientFolder } from '../data-folder.ts';
import { isLoopbackHost } from '../local-proxy/target-host.ts';
import { findLoginItem } from '../start-at-login/find-login-item.ts';
import type { LoginItem, LoginStart } from '../start-at-login/login-item.ts';
import { openSystemProxy } from '../system-proxy/open-system-proxy.ts';
import type { SystemProxy } from '../system-proxy/system-proxy.ts';
import { ApiFailure } from './api-error.ts';
import type { Settings } from './api-types.ts';
import { buildApp } from './app-build.ts';
import type { EntrySource } from './entry-source.ts';
import {
  createLocalApi,
  type LocalApi,
  type LocalApiOptions,
  type LoginSwitch,
  type SystemProxySwitch,
} from './local-api.ts';
import { SettingsStore, type StoredSettings } from './settings-store.ts';

/** Of all addresses of this machine. */
const ANY_HOST = '0.0.0.0';
/** Events that wait until somebody listens. */
const MAX_EARLY_EVENTS = 64;

/** Hands events on, and to a listener of ours as well: what was told before there is one, it is told then. */
export class EventTap {
  readonly log: Log;
  #early: LogEvent[] = [];
  #listener: Log | null = null;

  /** `explain`: whether `log` wants to hear of establishment. */
  constructor(log: Log, { explain }: { readonly explain: boolean }) {
    this.log = (event) => {
      if (explain || !event.event.startsWith('establish.')) log(event);
      if (this.#listener !== null) this.#listener(event);
      else if (this.#early.length < MAX_EARLY_EVENTS) this.#early.push(event);
    };
  }

  listen(listener: Log): void {
    this.#listener = listener;
    for (const event of this.#early.splice(0)) listener(event);
  }
}

/** What `--ui` adds to a client, before there is one. */
export interface AppParts extends AsyncDisposable {
  readonly settings: SettingsStore;
  readonly systemProxy: SystemProxy | null;
  /** Null where it cannot be had started. */
  readonly startAtLogin: LoginSwitch | null;
}

/** Has the system start the client at login, by the command that is right now. */
async function openLoginItem(
  item: LoginItem,
  settings: SettingsStore,
  command: readonly string[],
): Promise<LoginSwitch> {
  // A person may have removed it with the means of their desktop, and this run may be at another place than the last.
  const isOn = await item.isOn();
  if (isOn) await item.on(command).catch(() => {});
  if (isOn !== settings.current.startAtLogin) await settings.change({ startAtLogin: isOn }).catch(() => {});
  return { turn: (on) => (on ? item.on(command) : item.off()) };
}

/**
 * Reads the settings that a person has made in the app, and puts the system's proxy right, should a run before have left it. `login`: how
 * this client is started at login; null for not at all.
 */
export async function openAppParts(env: Env, folder: ClientFolder | null, login: LoginStart | null): Promise<AppParts> {
  const systemProxy = folder === null ? null : await openSystemProxy(folder, env.log);
  const missing = new Set<keyof Settings>();
  if (systemProxy?.isAvailable !== true) missing.add('systemProxy');
  const item = login === null ? null : findLoginItem(process.platform, process.env, login.name);
  if (item === null) missing.add('startAtLogin');
  const settings = await SettingsStore.open({ file: folder?.settings ?? null, missing, log: env.log });
  const startAtLogin = item === null || login === null ? null : await openLoginItem(item, settings, login.command);
  const dispose = async () => await systemProxy?.off().catch(() => {});
  return { settings, systemProxy, startAtLogin, [Symbol.asyncDispose]: dispose };
}

function switchOf(proxy: SystemProxy, { proxies }: Client): SystemProxySwitch {
  const { socks, http } = proxies;
  return {
    get state() {
      if (!proxy.isAvailable) return 'unavailable';
      return proxy.isOn ? 'on' : 'off';
    },
    get isForeign() {
      return proxy.isForeign;
    },
    turn: async (on) => {
      // Whether there is anything to do is seen when what is under way is over.
      if (!proxy.isAvailable) return;
      const place = { host: '127.0.0.1', socksPort: socks?.port ?? 0, httpPort: http?.port ?? 0 };
      await (on ? proxy.on(place) : proxy.off()).catch(() => {
        throw new ApiFailure('failed', 'the proxy of the system could not be changed');
      });
    },
  };
}

/** The arguments, with what the settings say where the command line says nothing. */
export function withSettings(args: ClientArguments, settings: StoredSettings): ClientArguments {
  const { socksPort, httpPort, shareOnLan } = settings;
  const host = shareOnLan ? ANY_HOST : '127.0.0.1';
  const socks = args.saidProxies.has('socks') ? args.socks : { host, port: socksPort };
  const http = args.saidProxies.has('http') ? args.http : { host, port: httpPort };
  return { ...args, socks, http };
}

/** The upstream proxy of the settings. */
export function upstreamOf({ upstreamProxy: upstream }: StoredSettings): UpstreamProxy | null {
  if (upstream === null) return null;
  const { kind, host, port, user, password } = upstream;
  const credentials = user === '' && password === null ? null : { user, password: password ?? '' };
  return { kind, host, port, credentials };
}

/** What `startApp` takes. */
export interface AppOptions {
  readonly parsed: Pick<ClientArguments, 'ui' | 'socks' | 'http' | 'country'>;
  readonly client: Client;
  readonly source: EntrySource;
  readonly brand: Brand | null;
  readonly folder: ClientFolder | null;
  readonly parts: AppParts;
  readonly tap: EventTap;
  /** Called with settings that have been changed. */
  readonly onSettings?: LocalApiOptions['onSettings'];
}

/** Serves the app where `--ui` says. Throws a `ProgramError` if it cannot listen there. */
export async function startApp(env: Env, options: AppOptions): Promise<LocalApi> {
  const { parsed, client, source, brand, folder, parts, tap, onSettings } = options;
  if (parsed.ui === null) throw new TypeError('there is no address for the app');
  const { socks, http } = parsed;
  const { settings, systemProxy, startAtLogin } = parts;
  try {
    const api = await createLocalApi(env, {
      address: parsed.ui,
      client,
      source,
      settings,
      systemProxy: systemProxy === null ? null : switchOf(systemProxy, client),
      startAtLogin,
      onSettings,
      isShared: !(isLoopbackHost(socks.host) && isLoopbackHost(http.host)),
      version: manifest.version,
      appFolder: await buildApp(env.log),
      storeUrl: folder === null ? null : (url) => folder.appLink.write(`${url}\n`),
      homePage: () => (brand === null ? null : homeOf(brand, parsed.country ?? settings.current.country)),
    });
    tap.listen((event) => api.note(event));
    return api;
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new ProgramError(EXIT_CODE.cannotListen, `the app cannot be served: ${error.message}`, {
      cause: error,
      remedy: 'Choose another port with --ui 127.0.0.1:PORT.',
    });
  }
}
