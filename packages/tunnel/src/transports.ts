import type { Transport } from './transport.ts';
import { opaque } from './transports/opaque/opaque.ts';

/** Every transport there is. A new one is a folder and a line here. */
export const TRANSPORTS: readonly Transport[] = [opaque];

/** The transport that a server entry or a command line names, or `null` if this version does not have it. */
export function findTransport(name: string): Transport | null {
  return TRANSPORTS.find((transport) => transport.name === name) ?? null;
}
