import { formatHostPort, formatShareLink, keyPairOf, signServerEntry, type Target } from '@rozan/protocol';
import { findTransport, TunnelError } from '@rozan/tunnel';
import type { RelayConfig } from './data-folder/relay-config.ts';

const DAY_MS = 24 * 3600 * 1000;
/** A relay signs its own entries as long as there is no control plane that would renew them. */
const VALIDITY_MS = 365 * DAY_MS;

const ANY_ADDRESS = /^(0\.0\.0\.0|::)$/;

/** The addresses at which clients reach a relay by a transport. */
function reachableAt(config: RelayConfig, transport: string): readonly Target[] {
  const named = config.addresses.filter((each) => each.transport === transport);
  return (named.length > 0 ? named : config.listen.filter((each) => each.transport === transport)).map(
    ({ address }) => address,
  );
}

/**
 * A relay's server entry for one of its channels, signed by the relay itself, as a `rozan://` link.
 * Throws a `TunnelError` (`bad-params`) when there is no such channel, or no address that a client could dial.
 */
export function createEntryLink(config: RelayConfig, channelId: string, nowMs: number): string {
  const channel = config.channels.find(({ id }) => id === channelId);
  if (channel === undefined) throw new TunnelError('bad-params', `the relay has no channel named ${channelId}`);
  const names = [...new Set(config.listen.map(({ transport }) => transport))];
  const transports = names.map((transport) => {
    const addresses = reachableAt(config, transport);
    if (findTransport(transport) === null)
      throw new TunnelError('bad-params', `there is no transport named ${transport}`);
    if (addresses.some(({ host }) => ANY_ADDRESS.test(host))) {
      throw new TunnelError(
        'bad-params',
        `${transport} listens at all addresses: say with --address at which one clients reach it`,
      );
    }
    return { transport, addresses: addresses.map(formatHostPort), params: {} };
  });
  const entry = signServerEntry(
    {
      key: keyPairOf(config.staticKey).publicKey,
      secret: channel.accessSecret,
      channel: channel.id,
      issuedMs: nowMs,
      expiresMs: nowMs + VALIDITY_MS,
      transports,
    },
    config.signingKey,
  );
  return formatShareLink(entry);
}
