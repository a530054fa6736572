import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { formatShareLink, parseServerEntry, signServerEntry } from '@rozan/protocol';
import { type Conn, createEnv, type LogEvent } from '@rozan/tunnel';
import { ManualClock } from '@rozan/tunnel/testing';
import { type Client, createClient } from '../../client.ts';
import { ClientFolder } from '../../data-folder.ts';
import type { LinkedEntry } from '../../entries.ts';
import { ownSource } from '../entry-source.ts';
import { createLocalApi, type LocalApi, type LoginSwitch, type SystemProxySwitch } from '../local-api.ts';
import { SettingsStore } from '../settings-store.ts';

const ANY_PORT = { host: '127.0.0.1', port: 0 };
const DAY_MS = 86_400_000;

/** A reply, with its JSON where it has any. */
export interface ApiReply {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a test looks into replies of all forms, and fails where they have another.
  readonly json: any;
}

/** How a request is made. */
export interface ApiCall {
  readonly body?: unknown;
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The local API of a client that has been switched off, on loopback, with time in the test's hand. */
export interface ApiWorld extends AsyncDisposable {
  readonly api: LocalApi;
  readonly client: Client;
  readonly clock: ManualClock;
  readonly events: readonly LogEvent[];
  readonly folder: string;
  readonly origin: string;
  readonly token: string;
  call(method: string, path: string, call?: ApiCall): Promise<ApiReply>;
  /** A connection on which a test writes what it likes. */
  dial(): Promise<Conn>;
  /** All that comes back on a connection of its own. */
  raw(request: string): Promise<string>;
}

/** An entry of a relay that nobody runs. */
export function testEntry(number: number, nowMs: number = Date.UTC(2026, 0, 1)): LinkedEntry {
  const bytes = signServerEntry(
    {
      key: Buffer.alloc(32, number),
      secret: Buffer.alloc(32, number + 100),
      issuedMs: nowMs - DAY_MS,
      expiresMs: nowMs + DAY_MS,
      transports: [{ transport: 'opaque', addresses: ['127.0.0.1:9'], params: {} }],
    },
    Buffer.alloc(32, 7),
  );
  return { entry: parseServerEntry(bytes, { nowMs }).entry, link: formatShareLink(bytes) };
}

/** The code in a URL of the app. */
export function codeOf(url: string): string {
  return /#code=([\w-]+)$/.exec(url)?.[1] ?? '';
}

/** Starts it. */
export async function createApiWorld(
  options: {
    readonly entries?: readonly LinkedEntry[];
    readonly systemProxy?: SystemProxySwitch;
    /** Not to be had unless given. */
    readonly startAtLogin?: LoginSwitch;
  } = {},
): Promise<ApiWorld> {
  await using stack = new AsyncDisposableStack();
  const { entries = [], systemProxy, startAtLogin } = options;
  const folder = await mkdtemp(join(tmpdir(), 'rozan-'));
  stack.defer(() => rm(folder, { recursive: true, force: true }));
  const files = await ClientFolder.open(folder);
  const clock = new ManualClock();
  const events: LogEvent[] = [];
  let note = (_event: LogEvent) => {};
  const log = (event: LogEvent) => {
    events.push(event);
    note(event);
  };
  const env = { ...createEnv({ log }), clock };
  const linked = entries.map(({ entry }) => entry);
  const client = stack.use(
    await createClient({ entries: linked, socks: ANY_PORT, http: ANY_PORT, isPaused: true, explain: true }, env),
  );
  const missing = new Set(startAtLogin === undefined ? (['startAtLogin', 'region'] as const) : (['region'] as const));
  const api = stack.use(
    await createLocalApi(env, {
      address: ANY_PORT,
      client,
      source: ownSource(client, entries, files),
      settings: await SettingsStore.open({ file: files.settings, missing, log }),
      isShared: false,
      version: '0',
      appFolder: null,
      storeUrl: (url) => files.appLink.write(`${url}\n`),
      systemProxy,
      startAtLogin,
    }),
  );
  note = (event) => api.note(event);
  const origin = `http://127.0.0.1:${api.address.port}`;
  const dial = () => env.network.dial(api.address);
  const world = { api, client, clock, events, folder, origin, dial };
  const call = (method: string, path: string, request: ApiCall) => callApi(origin + path, method, request);
  const code = codeOf(api.openUrl());
  const { json } = await call('POST', '/api/session', { body: { code } });
  const running = stack.move();
  return {
    ...world,
    token: json.token,
    call: (method, path, request = {}) => call(method, path, { token: json.token, ...request }),
    raw: async (request) => {
      const conn = await dial();
      conn.end(request, 'latin1');
      return await text(conn).catch(() => '');
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function callApi(url: string, method: string, { body, token, headers }: ApiCall): Promise<ApiReply> {
  const reply = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      ...headers,
    },
    body: body === undefined ? null : JSON.stringify(body),
  });
  const isJson = reply.headers.get('content-type')?.startsWith('application/json');
  const content = await reply.text();
  return { status: reply.status, headers: reply.headers, json: isJson ? JSON.parse(content) : content };
}

/** Resolves when the other side has ended a connection. */
export async function closed(conn: Conn): Promise<void> {
  conn.on('error', () => {});
  // Ours would stay half open.
  conn.once('end', () => conn.destroy());
  conn.on('data', () => {});
  if (!conn.closed) await once(conn, 'close');
}
