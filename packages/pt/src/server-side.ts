import { createHash } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatHostPort, parseServerEntry, parseShareLink } from '@rozan/protocol';
import {
  createEntryLink,
  createRelay,
  createRelayFolder,
  openRelayFolder,
  parseAllowRule,
  RelayError,
  RelayMetrics,
} from '@rozan/relay';
import { type Env, type Network, type SocketAddress, type Transport, TunnelError } from '@rozan/tunnel';
import { FolderError } from '@rozan/tunnel/data-folder';
import { formatBridge } from './bridge-arguments.ts';
import { OR_TARGET } from './client-side.ts';
import type { ServerMethod, ServerRequest } from './environment.ts';
import { type SideContext, transportOf } from './methods.ts';

/** Listens for each method that is ours; says so, with what clients have to know, and what is not. Disposing ends it. */
export async function openServerSide(context: SideContext, request: ServerRequest): Promise<AsyncDisposable> {
  const { say } = context;
  await using stack = new AsyncDisposableStack();
  for (const method of request.methods) {
    const transport = transportOf(method.name);
    if (transport === null) {
      say(`SMETHOD-ERROR ${method.name} no such transport`);
      continue;
    }
    try {
      const bridge = await openBridge(context, transport, { method, orPort: request.orPort });
      stack.use(bridge);
      say(`SMETHOD ${method.name} ${formatHostPort(bridge.address)} ARGS:${bridge.argsText}`);
    } catch (cause) {
      const isTold = cause instanceof TunnelError || cause instanceof RelayError || cause instanceof FolderError;
      if (!isTold) throw cause;
      say(`SMETHOD-ERROR ${method.name} ${cause.message}`);
    }
  }
  say('SMETHODS DONE');
  return stack.move();
}

interface OpenBridge extends AsyncDisposable {
  readonly address: SocketAddress;
  readonly argsText: string;
}

/** Wherever a stream wants to go, there is one place, and no datagrams. */
function onlyTo(network: Network, orPort: SocketAddress): Network {
  return {
    dial: (_address, options) => network.dial(orPort, options),
    listen: (...given) => network.listen(...given),
    bindDatagrams: async () => {
      throw new TunnelError('unreachable', 'a bridge has no datagrams');
    },
    dialLocal: (...given) => network.dialLocal(...given),
    listenLocal: (...given) => network.listenLocal(...given),
  };
}

/** The same for the same choices: others are another bridge, with keys of its own. */
function folderOf(stateFolder: string, { name, options }: ServerMethod): string {
  const chosen = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  if (chosen.length === 0) return join(stateFolder, name);
  const digest = createHash('sha256').update(JSON.stringify(chosen)).digest('hex').slice(0, 12);
  return join(stateFolder, `${name}-${digest}`);
}

async function ensureFolder(
  env: Env,
  path: string,
  place: { transport: Transport; method: ServerMethod },
): Promise<void> {
  const { transport, method } = place;
  const existing = await openRelayFolder(path).catch((error: unknown) => {
    if (error instanceof RelayError && error.code === 'folder-missing') return null;
    throw error;
  });
  existing?.close();
  if (existing !== null) return;
  const settings = await transport.createSettings(env.random, method.options);
  const listen = [
    {
      transport: transport.name,
      // Where it listens is said anew at each start.
      address: OR_TARGET,
      settings: Object.fromEntries(Object.entries(settings ?? {})),
    },
  ];
  await createRelayFolder(env.random, path, { listen });
}

/** A relay whose one site is the parent's port. */
async function openBridge(
  { env, stateFolder }: SideContext,
  transport: Transport,
  { method, orPort }: { readonly method: ServerMethod; readonly orPort: SocketAddress },
): Promise<OpenBridge> {
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const path = folderOf(stateFolder, method);
  await ensureFolder(env, path, { transport, method });
  await using stack = new AsyncDisposableStack();
  const folder = await openRelayFolder(path);
  stack.defer(() => folder.close());
  const listen = folder.config.listen.map((place) => ({ ...place, address: method.address }));
  // Clients learn the address from whoever hands out the bridge's line.
  const addresses = [{ transport: transport.name, address: OR_TARGET }];
  const config = { ...folder.config, listen, addresses };
  const { entry } = parseServerEntry(parseShareLink(createEntryLink(config, 'default', env.clock.wallMs())));
  const args = formatBridge({ ...entry, params: { ...entry.transports[0]?.params } });
  if (args === null) throw new TunnelError('bad-params', 'its params are longer than the arguments of a bridge may be');
  const rule = parseAllowRule(`${OR_TARGET.host}/32`);
  const options = { config, replayPath: folder.replayPath, egressAllow: rule === null ? [] : [rule] };
  const network = onlyTo(env.network, orPort);
  const relay = stack.use(await createRelay({ ...options, counters: new RelayMetrics() }, { ...env, network }));
  const [place] = relay.listen;
  const running = stack.move();
  return {
    address: place?.address ?? method.address,
    argsText: Object.entries(args)
      .map(([name, value]) => `${name}=${value}`)
      .join(','),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
