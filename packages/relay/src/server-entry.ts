import {
  type EntryTransport,
  formatHostPort,
  formatShareLink,
  keyPairOf,
  signServerEntry,
  type Target,
} from '@rozan/protocol';
import { findTransport, TunnelError } from '@rozan/tunnel';
import type { ListenPlace, RelayConfig } from './data-folder/relay-config.ts';

const DAY_MS = 24 * 3600 * 1000;
/** A relay signs its own entries as long as there is no control plane that would renew them. */
const VALIDITY_MS = 90 * DAY_MS;

/** An entry has room for so many transports (the same one with other options is another), and addresses of each. */
const MAX_WAYS = 8;

const ANY_ADDRESS = /^(0\.0\.0\.0|::)$/;

type Places = Pick<RelayConfig, 'listen' | 'addresses'>;

/**
 * The addresses at which clients reach what listens at a place. Listeners of one transport that differ in more than that have their
 * addresses in the order in which they stand. Throws a `TunnelError` (`bad-params`) where these do not pair off.
 */
function reachableAt(config: Places, place: ListenPlace): readonly Target[] {
  const { transport } = place;
  const named = config.addresses.filter((each) => each.transport === transport).map(({ address }) => address);
  if (named.length === 0) return [place.address];
  const listeners = config.listen.filter((each) => each.transport === transport);
  const kinds = new Set(listeners.map(({ settings }) => JSON.stringify(settings)));
  if (kinds.size === 1) return named;
  const own = named[listeners.indexOf(place)];
  if (own !== undefined && named.length === listeners.length) return [own];
  const message = `${transport} listens in several ways: name one --address ${transport}=… for each --listen ${transport}=…, in the same order`;
  throw new TunnelError('bad-params', message);
}

/** A relay's ways in, those with the same transport and params together. Throws a `TunnelError` (`bad-params`). */
export function waysTo(config: Places): EntryTransport[] {
  const ways = new Map<string, EntryTransport>();
  for (const place of config.listen) {
    const transport = findTransport(place.transport);
    if (transport === null) throw new TunnelError('bad-params', `there is no transport named ${place.transport}`);
    const params: EntryTransport['params'] = Object.fromEntries(
      Object.entries(transport.paramsOf(transport.parseSettings(place.settings)) ?? {}),
    );
    const key = JSON.stringify([place.transport, params]);
    const before = ways.get(key)?.addresses ?? [];
    const addresses = new Set([...before, ...reachableAt(config, place).map(formatHostPort)]);
    ways.set(key, { transport: place.transport, addresses: [...addresses], params });
  }
  return [...ways.values()];
}

/** Throws a `TunnelError` (`bad-params`) when a relay with these addresses could have no entry that clients can use. */
export function expectReachable(config: Places): void {
  for (const place of config.listen) {
    const { transport } = place;
    if (!reachableAt(config, place).some(({ host }) => ANY_ADDRESS.test(host))) continue;
    const message = `${transport} listens at all addresses: say with --address at which one clients reach it`;
    throw new TunnelError('bad-params', message);
  }
  const ways = waysTo(config);
  if (ways.length > MAX_WAYS || ways.some(({ addresses }) => addresses.length > MAX_WAYS)) {
    const message = `an entry has room for ${MAX_WAYS} ways to listen, and ${MAX_WAYS} addresses of each: leave some out, or make a second relay for them`;
    throw new TunnelError('bad-params', message);
  }
}

/**
 * A relay's server entry for one of its channels, signed by the relay itself, as a `rozan://` link.
 * Throws a `TunnelError` (`bad-params`) when there is no such channel, or no address that a client could dial.
 */
export function createEntryLink(config: RelayConfig, channelId: string, nowMs: number): string {
  expectReachable(config);
  const channel = config.channels.find(({ id }) => id === channelId);
  if (channel === undefined) throw new TunnelError('bad-params', `the relay has no channel named ${channelId}`);
  const transports = waysTo(config);
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
