import { join } from 'node:path';
import type { Client, ClientConfig } from '@rozan/client';
import { parseAllowRule } from '@rozan/relay';
import { createEnv, formatAddress, type LogEvent } from '@rozan/tunnel';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { type Cutter, type CutterMode, createCutter } from '../../../../bench/cutter-core.mjs';
// biome-ignore lint/correctness/useImportExtensions: the rule would have the declarations imported.
import { startOrigin } from '../../../../bench/integrity.mjs';
import { createScratchFolder, startClient, startRelay, type WorldRelay } from '../world.ts';

/** A client and a relay with cutters between them, and an origin behind. */
export interface CutWorld extends AsyncDisposable {
  readonly cutters: readonly Cutter[];
  readonly relay: WorldRelay;
  readonly client: Client;
  /** For the functions of bench/integrity.mjs. */
  readonly path: { readonly socks: string; readonly originPort: number };
  /** What the client has told, in order. */
  readonly events: readonly LogEvent[];
  /** How often the client has told of this. */
  count(event: string): number;
  /** How many connections the cutters have cut. */
  cuts(): number;
}

/** How a cut world is set up. */
export interface CutWorldOptions {
  /** One cutter in front of the relay for each; the client's entry names them all. Default: one that lets everything through. */
  readonly modes?: readonly CutterMode[];
  readonly rotation?: ClientConfig['rotation'];
  /** What to do to the cutters before the client starts. */
  readonly prepare?: (cutters: readonly Cutter[]) => Promise<void>;
}

const READY_MS = 30_000;
const LOOPBACK = parseAllowRule('127.0.0.1/32');

/** Starts client, relay and cutters in this process, on real sockets of loopback, and waits until the client is ready. */
export async function startCutWorld(options: CutWorldOptions = {}): Promise<CutWorld> {
  await using stack = new AsyncDisposableStack();
  const folder = stack.use(await createScratchFolder());
  const origin = stack.adopt(await startOrigin(), (used) => used.stop());
  const relayEnv = createEnv({ log: () => {} });
  const egressAllow = LOOPBACK === null ? [] : [LOOPBACK];
  const relay = stack.use(await startRelay(relayEnv, { folder: join(folder.path, 'relay'), egressAllow }));
  const target = formatAddress(relay.address);
  const cutters: Cutter[] = [];
  for (const mode of options.modes ?? [{}]) cutters.push(stack.use(await createCutter({ target, ...mode })));
  const addresses = cutters.map(({ address }) => address);
  const transports = relay.entry.transports.map((transport) => ({ ...transport, addresses }));
  await options.prepare?.(cutters);
  const events: LogEvent[] = [];
  const env = createEnv({ log: (event) => events.push(event) });
  const entries = [{ ...relay.entry, transports }];
  const client = stack.use(await startClient(env, { entries, rotation: options.rotation }));
  await client.ready(AbortSignal.timeout(READY_MS));
  const { socks } = client.proxies;
  if (socks === undefined) throw new Error('the client has no SOCKS proxy');
  const running = stack.move();
  return {
    cutters,
    relay,
    client,
    path: { socks: formatAddress(socks), originPort: origin.port },
    events,
    count: (name) => events.filter(({ event }) => event === name).length,
    cuts: () => cutters.flatMap((cutter) => cutter.events).filter(({ event }) => event === 'cut').length,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
