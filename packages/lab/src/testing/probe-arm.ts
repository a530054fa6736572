// A program of its own, one arm of a comparison: a relay with one listener, or the same relay with that listener's transport off, where the port
// has its site alone. It says where it listens, and ends with its parent.
import { createRelayFolder } from '@rozan/relay';
import { createEnv, type Env, type SocketAddress } from '@rozan/tunnel';
import { listenSiteAlone } from '@rozan/tunnel/testing';
import { createScratchFolder, startRelay } from '../world.ts';

/** What it is given, as JSON. */
export interface ArmOptions {
  readonly transport: string;
  /** The listener's. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly isOn: boolean;
  /** A planted difference: every connection is looked at so many milliseconds later. */
  readonly plantedMs: number;
}

/** What it says once it listens. */
export interface ArmReport {
  readonly address: SocketAddress;
  /** The relay's entry as a link; empty where the transport is off. */
  readonly link: string;
}

const ANY_PORT: SocketAddress = { host: '127.0.0.1', port: 0 };

async function freeAddress({ network }: Env): Promise<SocketAddress> {
  const listener = await network.listen(ANY_PORT, (conn) => conn.destroy());
  await listener.close();
  return listener.address;
}

/** A relay that has the listener. */
async function startOn(env: Env, folder: string, { transport, settings }: ArmOptions): Promise<ArmReport> {
  const address = await freeAddress(env);
  await createRelayFolder(env.random, folder, { listen: [{ transport, address, settings }], addresses: [] });
  const relay = await startRelay(env, { folder });
  return { address: relay.address, link: relay.link };
}

/** A relay with another listener, and beside it the site of this one. */
async function startOff(env: Env, folder: string, { settings, plantedMs }: ArmOptions): Promise<ArmReport> {
  await startRelay(env, { folder });
  const { site, tls, identity = Object(tls).identity ?? tls } = settings;
  const { key, certificate } = Object(identity);
  const listener = await listenSiteAlone(env, ANY_PORT, {
    site,
    identity: certificate === undefined ? null : { key, certificate },
    lateMs: plantedMs,
    readsFirst: 'identity' in settings,
  });
  return { address: listener.address, link: '' };
}

const options: ArmOptions = JSON.parse(process.argv[2] ?? '{}');
const env = createEnv({ log: () => {} });
const scratch = await createScratchFolder();
process.on('disconnect', async () => {
  await scratch[Symbol.asyncDispose]();
  process.exit();
});
process.send?.(await (options.isOn ? startOn : startOff)(env, `${scratch.path}/relay`, options));
