import type { Env, LogEvent, SocketAddress } from '@rozan/tunnel';
import type { Client } from '../client.ts';
import { AccessKeys } from './access-keys.ts';
import { ApiFailure } from './api-error.ts';
import type { ApiActions } from './api-routes.ts';
import type { ClientState, SettingsRequest, Warning } from './api-types.ts';
import { AppEntries } from './app-entries.ts';
import { readAppFiles } from './app-files.ts';
import { StateKeeper } from './client-state.ts';
import type { EntrySource } from './entry-source.ts';
import { EventStreams } from './event-streams.ts';
import { serveApi } from './http-server.ts';
import { CODE_RENEWAL_MS } from './limits.ts';
import type { SettingsStore, StoredSettings } from './settings-store.ts';

/** The system proxy as the API sees it. */
export interface SystemProxySwitch {
  readonly state: ClientState['systemProxy'];
  /** Whether it was left alone because another program has changed it. */
  readonly isForeign: boolean;
  /** Throws an `ApiFailure` when it cannot be changed. */
  turn(on: boolean): Promise<void>;
}

/** Starting at login as the API sees it. */
export interface LoginSwitch {
  /** Rejects when it cannot be changed. */
  turn(on: boolean): Promise<void>;
}

/** What `createLocalApi` takes. */
export interface LocalApiOptions {
  /** Where it listens: a loopback address. */
  readonly address: SocketAddress;
  readonly client: Client;
  readonly source: EntrySource;
  readonly settings: SettingsStore;
  /** Whether the proxies listen where others can reach them. */
  readonly isShared: boolean;
  readonly version: string;
  /** The folder of the built app; null for none. */
  readonly appFolder: string | null;
  /** Keeps the URL by which the app can be opened at any time; null for nowhere. */
  readonly storeUrl: ((url: string) => Promise<void>) | null;
  readonly homePage?: (() => string | null) | undefined;
  readonly systemProxy?: SystemProxySwitch | null | undefined;
  readonly startAtLogin?: LoginSwitch | null | undefined;
  /** Has a change of the settings act, where that is for others to do. */
  readonly onSettings?: ((settings: StoredSettings, before: StoredSettings) => Promise<void>) | undefined;
}

/** The running API. Disposing it ends all streams, and forgets all tokens. */
export interface LocalApi extends AsyncDisposable {
  readonly address: SocketAddress;
  /** A URL with a code that is good once, and for a minute. */
  openUrl(): string;
  /** Takes an event of the client. */
  note(event: LogEvent): void;
}

function warningsOf({ settings, systemProxy }: LocalApiOptions): readonly Warning[] {
  return [
    ...(settings.isWritable ? [] : (['settings-unwritable'] as const)),
    ...(systemProxy?.isForeign ? (['system-proxy-foreign'] as const) : []),
  ];
}

/** While it is off the system has its own way: a proxy that refuses everything is of no use to it. */
function isSystemProxyWanted({ client, settings }: LocalApiOptions): boolean {
  return settings.current.systemProxy && !client.pool.isPaused;
}

function turnSystemProxy(options: LocalApiOptions): void {
  options.systemProxy?.turn(isSystemProxyWanted(options)).catch(() => {});
}

/** Keeps a change, once the system has taken what of it is the system's: all of it or nothing. */
async function changeSettings(options: LocalApiOptions, request: SettingsRequest): Promise<void> {
  const { client, settings, systemProxy, startAtLogin, onSettings } = options;
  const before = settings.current;
  await using undo = new AsyncDisposableStack();
  if (request.startAtLogin !== undefined) {
    undo.defer(() => startAtLogin?.turn(before.startAtLogin).catch(() => {}));
    await startAtLogin?.turn(request.startAtLogin).catch(() => {
      throw new ApiFailure('failed', 'what starts at login could not be changed');
    });
  }
  if (request.systemProxy !== undefined) {
    undo.defer(() => systemProxy?.turn(before.systemProxy && !client.pool.isPaused).catch(() => {}));
    await systemProxy?.turn(request.systemProxy && !client.pool.isPaused);
  }
  const now = await settings.change(request);
  undo.move();
  // It may have been switched on or off meanwhile.
  if (request.systemProxy !== undefined) turnSystemProxy(options);
  await onSettings?.(now, before);
}

function actionsOf(
  options: LocalApiOptions,
  parts: { keys: AccessKeys; state: StateKeeper; book: AppEntries; streams: EventStreams; nowMs: () => number },
): ApiActions {
  const { client, settings } = options;
  const { keys, state, book, streams, nowMs } = parts;
  return {
    exchange: (code) => keys.exchange(code),
    state: () => state.state(),
    why: () => state.why(),
    connect: () => {
      if (book.size === 0) throw new ApiFailure('conflict', 'there is no server entry to connect with');
      if (client.pool.isPaused) client.pool.resume();
      turnSystemProxy(options);
      state.begin();
    },
    disconnect: () => {
      client.pool.pause();
      turnSystemProxy(options);
      state.begin();
    },
    settings: () => settings.reply(),
    changeSettings: async (request) => {
      await changeSettings(options, request);
      streams.tell('settings');
      state.refresh();
      return settings.reply();
    },
    entries: () => book.list(nowMs()),
    addEntries: async (text) => {
      const outcome = await book.add(text);
      if (outcome.added.length > 0) {
        streams.tell('entries');
        state.refresh();
      }
      return outcome;
    },
    linkOf: (id) => book.linkOf(id),
  };
}

/** The file from which the app is opened later: its code is renewed when it has been used, and before it is too old. */
function keepUrl(env: Env, { storeUrl }: LocalApiOptions, nextUrl: () => string): AsyncDisposable {
  if (storeUrl === null) return { [Symbol.asyncDispose]: async () => {} };
  let cancel = () => {};
  let lastWrite: Promise<void> = Promise.resolve();
  const renew = () => {
    lastWrite = storeUrl(nextUrl()).catch(() => {});
    cancel = env.clock.setTimer(CODE_RENEWAL_MS, renew);
  };
  renew();
  return {
    [Symbol.asyncDispose]: async () => {
      cancel();
      await lastWrite;
      // There is nothing to be opened any more.
      await storeUrl('').catch(() => {});
    },
  };
}

/** Starts the local API (docs/spec/client-api.md). Rejects with a `TunnelError` if it cannot listen. */
export async function createLocalApi(env: Env, options: LocalApiOptions): Promise<LocalApi> {
  const { client, source, settings, version, isShared, homePage = () => null } = options;
  await using stack = new AsyncDisposableStack();
  const keys = new AccessKeys(env);
  const book = new AppEntries({ client, source });
  const streams = stack.use(new EventStreams(env.clock, () => state.state()));
  const state: StateKeeper = new StateKeeper(env, {
    client,
    book,
    version,
    isShared,
    homePage,
    systemProxy: () => options.systemProxy?.state ?? 'unavailable',
    warnings: () => warningsOf(options),
    restartNeeded: () => settings.waiting.length > 0,
    onChange: (what) => streams.tell(what),
  });
  stack.use(state);
  const actions = actionsOf(options, { keys, state, book, streams, nowMs: () => env.clock.wallMs() });
  const files = await readAppFiles(options.appFolder);
  const listener = await serveApi(env, { address: options.address, keys, actions, streams, files, version });
  stack.defer(() => listener.close());
  const { host, port } = listener.address;
  const openUrl = () => {
    const { language } = settings.current;
    const query = language === null ? '' : `?lang=${language}`;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}/${query}#code=${keys.issueCode()}`;
  };
  stack.use(keepUrl(env, options, openUrl));
  turnSystemProxy(options);
  const running = stack.move();
  return {
    address: listener.address,
    openUrl,
    note: (event) => state.note(event),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
