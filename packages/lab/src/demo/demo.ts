import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type BrandClient,
  brandSource,
  ClientFolder,
  EventTap,
  findBrand,
  openAppParts,
  startApp,
  startWithBrand,
} from '@rozan/client';
import type { AllowRule } from '@rozan/relay';
import { type Env, formatAddress, parseAddress, type SocketAddress } from '@rozan/tunnel';
import { createPrivateFolder } from '@rozan/tunnel/data-folder';
import { createScratchFolder, freeAddress, ruleFor, type WorldRelay } from '../world.ts';
import { admitRelay } from './admit-relay.ts';
import { createDemoMirror } from './mirror.ts';
import { startOperators } from './operators.ts';
import { createDemoSite, type DemoSite } from './site.ts';

/** How the demo is set up. */
export interface DemoConfig {
  readonly socks: SocketAddress;
  readonly http: SocketAddress;
  /** Where the client's app is served; a free port unless said. */
  readonly ui?: SocketAddress | undefined;
  /** Where the control plane listens; a free port unless said. */
  readonly control?: SocketAddress | undefined;
  /** Where the network keeps its things; a folder of its own that goes away with the demo if null. */
  readonly folder: string | null;
  /** What the relays may reach beside the demo site and the public internet. */
  readonly egressAllow: readonly AllowRule[];
}

/** A whole network on this machine. */
export interface Demo extends AsyncDisposable {
  readonly client: BrandClient;
  /** A URL of its app that is good once, and for a minute. */
  appUrl(): string;
  readonly relays: readonly WorldRelay[];
  readonly site: DemoSite;
  /** The URL of the control plane, */
  readonly control: string;
  /** and a login link if the network was made just now. */
  readonly loginLink: string | null;
  /** The URL of a mirror of what it publishes. */
  readonly publication: string;
  /** The file from which the client has started. */
  readonly brandFile: string;
}

const RELAYS = ['relay-1', 'relay-2', 'relay-3'];
const CONTROL_FILE = 'control-address';

/** Where the control plane listens: where relays that were enrolled before look for it. */
async function controlAddress(env: Env, folder: string, wanted: SocketAddress | undefined): Promise<SocketAddress> {
  const kept = await readFile(join(folder, CONTROL_FILE), 'utf8').catch(() => null);
  if (kept !== null) return parseAddress(kept.trim());
  const address = wanted === undefined || wanted.port === 0 ? await freeAddress(env) : wanted;
  await writeFile(join(folder, CONTROL_FILE), `${formatAddress(address)}\n`, { mode: 0o600 });
  return address;
}

interface ClientStart {
  readonly config: DemoConfig;
  readonly folder: string;
  readonly brandFile: string;
  readonly stack: AsyncDisposableStack;
}

/** Starts the client, and its app. Its settings last until the end, and the system's own are not touched: it is only a demo. */
async function startClient(
  env: Env,
  { config, folder: path, brandFile, stack }: ClientStart,
): Promise<Pick<Demo, 'client' | 'appUrl'>> {
  const folder = await ClientFolder.open(path);
  const brand = await findBrand(folder, brandFile);
  if (brand === null) throw new Error('the brand file is there');
  const tap = new EventTap(env.log, { explain: false });
  const bare = { ...env, log: tap.log };
  const { socks, http, ui = { host: '127.0.0.1', port: 0 } } = config;
  const parts = stack.use(await openAppParts(bare, null, null));
  const client = stack.use(await startWithBrand(bare, { brand, folder, entrySources: [], socks, http, explain: true }));
  const parsed = { ui, socks, http, country: null };
  const app = stack.use(
    await startApp(bare, { parsed, client, source: brandSource(client), brand, folder, parts, tap }),
  );
  return { client, appUrl: () => app.openUrl() };
}

/** Starts a control plane, relays that enrol with it, a mirror of what it publishes, a client that starts from a brand file, and a web site to fetch. */
export async function createDemo(config: DemoConfig, env: Env): Promise<Demo> {
  await using stack = new AsyncDisposableStack();
  const path = config.folder === null ? stack.use(await createScratchFolder()).path : resolve(config.folder);
  await createPrivateFolder(path);
  const site = stack.use(await createDemoSite(env));
  // What happens on the other side would only blur what the person sees of the client.
  const quiet: Env = { ...env, log: () => {} };
  const operators = stack.use(
    await startOperators(quiet, { folder: path, listen: await controlAddress(env, path, config.control) }),
  );
  const mirror = stack.use(await createDemoMirror(quiet, operators.mirrorFolder));
  await operators.describeNetwork({ mirrors: [mirror.url], home: site.url });
  const egressAllow = [ruleFor(site.address), ruleFor(mirror.address), ...config.egressAllow];
  const relays: WorldRelay[] = [];
  for (const name of RELAYS) {
    relays.push(stack.use(await admitRelay(quiet, { operators, folder: join(path, name), name, egressAllow })));
  }
  const brandFile = await operators.brandFile(RELAYS.length);
  const { client, appUrl } = await startClient(env, { config, folder: join(path, 'client'), brandFile, stack });
  const running = stack.move();
  return {
    ...{ client, appUrl, relays, site, brandFile },
    control: operators.control.origin,
    loginLink: operators.control.loginLink,
    publication: mirror.url,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
