import { formatHostPort } from '@rozan/protocol';
import { createEnv, type Env, TunnelError } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { TransportAddress } from '../data-folder/relay-config.ts';
import { createRelayFolder } from '../data-folder/relay-folder.ts';
import { createEntryLink, expectReachable } from '../server-entry.ts';
import { channelOption, entryAddressOption, listenOption } from './arguments.ts';

/** What `relay init` is told. */
export interface InitOptions {
  readonly data: string;
  readonly listen: readonly string[];
  readonly address?: readonly string[];
  readonly channel?: readonly string[];
}

/** Replaces port 0 by a free port, which is kept from then on. Throws a `ProgramError` when the address is not to be had. */
async function pickPort(env: Env, place: TransportAddress): Promise<TransportAddress> {
  if (place.address.port !== 0) return place;
  try {
    const listener = await env.network.listen(place.address, (conn) => conn.destroy());
    await listener.close();
    return { ...place, address: listener.address };
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.cannotListen, `cannot listen at ${formatHostPort(place.address)}`, {
      cause,
      remedy: 'Name an address of this machine with --listen.',
    });
  }
}

/** Makes a relay in a folder; returns its entries, a link for each channel, the default one first. Throws a `ProgramError` or `RelayError`. */
export async function initRelay(options: InitOptions): Promise<string[]> {
  const env = createEnv({ log: () => {} });
  const listen = await Promise.all(options.listen.map((text) => pickPort(env, listenOption(text))));
  const addresses = (options.address ?? []).map(entryAddressOption);
  expectUsable(listen, addresses);
  const channelIds = options.channel && [...new Set(options.channel.map(channelOption))];
  const config = await createRelayFolder(env.random, options.data, { listen, addresses, channelIds });
  return config.channels.map(({ id }) => createEntryLink(config, id, env.clock.wallMs()));
}

/** Before anything is written: a relay whose entry nobody can use is of no use. */
function expectUsable(listen: readonly TransportAddress[], addresses: readonly TransportAddress[]): void {
  try {
    expectReachable({ listen, addresses });
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, cause.message, { cause });
  }
}
