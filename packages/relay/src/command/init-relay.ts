import { formatHostPort } from '@rozan/protocol';
import { createEnv, type Env, findTransport, TunnelError } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import type { ListenPlace, TransportAddress } from '../data-folder/relay-config.ts';
import { createRelayFolder } from '../data-folder/relay-folder.ts';
import { createEntryLink, expectReachable } from '../server-entry.ts';
import { channelOption, entryAddressOption, type ListenOption, listenOption } from './arguments.ts';

/** What `relay init` is told. */
export interface InitOptions {
  readonly data: string;
  readonly listen: readonly string[];
  readonly address?: readonly string[];
  readonly channel?: readonly string[];
}

/** Replaces port 0 by a free port, which is kept from then on. Throws a `ProgramError` when the address is not to be had. */
async function pickPort(env: Env, place: ListenPlace): Promise<ListenPlace> {
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

/** Draws what the transport's listener needs. Throws a `ProgramError` (usage) for an option that it does not have. */
async function withSettings(env: Env, { transport: name, address, options }: ListenOption): Promise<ListenPlace> {
  const transport = findTransport(name);
  try {
    const settings = await transport?.createSettings(env.random, options);
    return { transport: name, address, settings: Object.fromEntries(Object.entries(settings ?? {})) };
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    const choices = Object.entries(transport?.options ?? {}).map(([option, takes]) => `${option}=… (${takes})`);
    const remedy = choices.length === 0 ? `${name} has no options.` : `The options of ${name}: ${choices.join(', ')}.`;
    throw new ProgramError(EXIT_CODE.usage, `--listen: ${cause.message}`, { cause, remedy });
  }
}

/** Makes a relay in a folder; returns its entries, a link for each channel, the default one first. Throws a `ProgramError` or `RelayError`. */
export async function initRelay(options: InitOptions): Promise<string[]> {
  const env = createEnv({ log: () => {} });
  const listen = await Promise.all(
    options.listen.map(async (text) => pickPort(env, await withSettings(env, listenOption(text)))),
  );
  const addresses = (options.address ?? []).map(entryAddressOption);
  expectUsable(listen, addresses);
  const channelIds = options.channel && [...new Set(options.channel.map(channelOption))];
  const config = await createRelayFolder(env.random, options.data, { listen, addresses, channelIds });
  return config.channels.map(({ id }) => createEntryLink(config, id, env.clock.wallMs()));
}

/** Before anything is written: a relay whose entry nobody can use is of no use. */
function expectUsable(listen: readonly ListenPlace[], addresses: readonly TransportAddress[]): void {
  try {
    expectReachable({ listen, addresses });
  } catch (cause) {
    if (!(cause instanceof TunnelError)) throw cause;
    throw new ProgramError(EXIT_CODE.usage, cause.message, { cause });
  }
}
