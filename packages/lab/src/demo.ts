import { join } from 'node:path';
import type { Client } from '@rozan/client';
import { type AllowRule, parseAllowRule } from '@rozan/relay';
import type { Env, SocketAddress } from '@rozan/tunnel';
import { createDemoSite, type DemoSite } from './demo-site.ts';
import { createScratchFolder, makeSiblings, startClient, startRelay, type WorldRelay } from './world.ts';

/** How the demo is set up. */
export interface DemoConfig {
  readonly socks: SocketAddress;
  readonly http: SocketAddress;
  /** Where the relays keep their folders; a folder of its own that goes away with the demo if null. */
  readonly folder: string | null;
  /** What the relays may reach beside the demo site and the public internet. */
  readonly egressAllow: readonly AllowRule[];
}

/** A whole network on this machine. */
export interface Demo extends AsyncDisposable {
  readonly client: Client;
  readonly relays: readonly WorldRelay[];
  readonly site: DemoSite;
}

const RELAYS = ['relay-1', 'relay-2'];

/** Starts two relays, a client that knows both, and a web site to fetch. */
export async function createDemo(config: DemoConfig, env: Env): Promise<Demo> {
  await using stack = new AsyncDisposableStack();
  const folder = config.folder ?? stack.use(await createScratchFolder()).path;
  const site = stack.use(await createDemoSite(env));
  const siteRule = parseAllowRule(`${site.address.host}/32:${site.address.port}`);
  if (siteRule === null) throw new Error('the rule for the demo site is well formed');
  const egressAllow = [siteRule, ...config.egressAllow];
  // What happens inside the relays would only blur what the person sees of the client.
  const relayEnv: Env = { ...env, log: () => {} };
  const relays: WorldRelay[] = [];
  for (const name of RELAYS) {
    relays.push(stack.use(await startRelay(relayEnv, { folder: join(folder, name), egressAllow })));
  }
  // If one of them cannot be reached any more, the other passes on what goes on there.
  makeSiblings(relays);
  const { socks, http } = config;
  const client = stack.use(await startClient(env, { entries: relays.map(({ entry }) => entry), socks, http }));
  const running = stack.move();
  return { client, relays, site, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
