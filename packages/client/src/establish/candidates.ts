import type { EntryTransport, ServerEntry } from '@rozan/protocol';
import { findTransport, type Transport } from '@rozan/tunnel';

/** One way to try: an address of an entry by one of its transports. */
export interface Candidate {
  /** The tag of its entry. */
  readonly tag: string;
  readonly transport: Transport;
  readonly params: unknown;
  /** The same as they stand in the entry. */
  readonly entryParams: EntryTransport['params'];
  /** As it stands in the entry, a name or a literal. Never to be logged. */
  readonly address: string;
  /** The same for the same way of the same entry, also after a restart. It holds the address: never to be logged or stored as it is. */
  readonly key: string;
}

/** The ways that an entry names and this client has, in the entry's order. Throws a `TunnelError` (`bad-params`) where params are wrong. */
export function candidatesOf(entry: ServerEntry): Candidate[] {
  const { tag } = entry;
  return entry.transports.flatMap(({ transport: name, addresses, params }) => {
    const transport = findTransport(name);
    if (transport === null) return [];
    const parsed = transport.parseParams(params);
    return addresses.map((address) => {
      const key = JSON.stringify([tag, name, address, params]);
      return { tag, transport, params: parsed, entryParams: params, address, key };
    });
  });
}
