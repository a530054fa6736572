import { lookup } from 'node:dns/promises';
import { parseHostPort, type ServerEntry } from '@rozan/protocol';
import { findTransport, ipVersion, type SocketAddress, type Transport } from '@rozan/tunnel';

/** One way to try: an address of an entry by one of its transports. */
export interface Candidate {
  readonly transport: Transport;
  readonly params: unknown;
  /** As it stands in the entry, a name or a literal. Never to be logged. */
  readonly address: string;
}

/** The ways that an entry names and this client has, in the entry's order. Throws a `TunnelError` (`bad-params`) where params are wrong. */
export function candidatesOf(entry: ServerEntry): Candidate[] {
  return entry.transports.flatMap(({ transport: name, addresses, params }) => {
    const transport = findTransport(name);
    if (transport === null) return [];
    const parsed = transport.parseParams(params);
    return addresses.map((address) => ({ transport, params: parsed, address }));
  });
}

/** The literal address to dial. Rejects when a name does not resolve. */
export async function resolveAddress(address: string): Promise<SocketAddress> {
  const { host, port } = parseHostPort(address);
  if (ipVersion(host) !== 0) return { host, port };
  const { address: literal } = await lookup(host);
  return { host: literal, port };
}
