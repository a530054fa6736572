import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import type { Client } from '@rozan/client';
import { createRelayFolder, parseAllowRule } from '@rozan/relay';
import { createEnv, createPrograms, findTransport, formatAddress } from '@rozan/tunnel';
import { createScratchFolder, startClient, startRelay, type WorldRelay } from '../world.ts';
import { startTap, type Tap } from './tap.ts';
import { curl, runTool } from './tools.ts';

/** A client and a relay with a tap between them, and a web site over TLS behind. */
export interface TappedWorld extends AsyncDisposable {
  readonly relay: WorldRelay;
  readonly client: Client;
  readonly tap: Tap;
  /** Fetches a page of so many bytes over TLS through the tunnel, with a connection of its own. */
  fetch(bytes: number): Promise<void>;
}

const READY_MS = 30_000;
const LOOPBACK = parseAllowRule('127.0.0.1/32');

/** A web site over TLS 1.2 and 1.3 with a certificate chain of the usual length. */
async function startSite(folder: string): Promise<Server> {
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=www.example.com', '-addext', `nsComment=${'x'.repeat(2500)}`];
  const made = [
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '30',
    ...subject,
  ];
  await runTool('openssl', made);
  const { readFile } = await import('node:fs/promises');
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) }, (request, response) => {
    response.end(Buffer.alloc(Number(request.url?.slice(1))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

/** Starts it with a relay that listens by this transport, with these options. */
export async function startTappedWorld(name: string, options: Readonly<Record<string, string>>): Promise<TappedWorld> {
  await using stack = new AsyncDisposableStack();
  const scratch = stack.use(await createScratchFolder());
  const env = createEnv({ log: () => {} });
  const transport = findTransport(name);
  if (transport === null) throw new Error(`there is no transport ${name}`);
  const site = stack.adopt(await startSite(scratch.path), (server) => void server.close());
  const free = await env.network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.destroy());
  await free.close();
  const folder = join(scratch.path, 'relay');
  const settings = { ...Object(await transport.createSettings(env.random, options)) };
  const listen = [{ transport: name, address: free.address, settings }];
  await createRelayFolder(env.random, folder, { listen, addresses: [] });
  const egressAllow = LOOPBACK === null ? [] : [LOOPBACK];
  const relay = stack.use(await startRelay(env, { folder, egressAllow }));
  const tap = stack.use(await startTap(env, relay.address));
  const transports = relay.entry.transports.map((way) => ({ ...way, addresses: [formatAddress(tap.address)] }));
  const programs = transport.traits.runsPrograms ? stack.use(createPrograms(env)) : undefined;
  const client = stack.use(await startClient({ ...env, programs }, { entries: [{ ...relay.entry, transports }] }));
  await client.ready(AbortSignal.timeout(READY_MS));
  const { socks } = client.proxies;
  const place = site.address();
  if (socks === undefined || place === null || typeof place !== 'object') throw new Error('both have an address');
  const running = stack.move();
  return {
    relay,
    client,
    tap,
    fetch: async (bytes) => {
      const url = `https://127.0.0.1:${place.port}/${bytes}`;
      const { code, err } = await curl(['-k', '--socks5', formatAddress(socks), '-o', '/dev/null', url]);
      if (code !== 0) throw new Error(err);
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
