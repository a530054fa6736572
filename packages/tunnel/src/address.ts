import { TunnelError } from './errors.ts';
import { ipVersion, type SocketAddress } from './network.ts';

/** Longest text that can be an address: a bracketed IPv6 address with an IPv4 tail, a colon, and a port. */
const MAX_ADDRESS_TEXT = 53;

const PORT_TEXT = /^(?:0|[1-9][0-9]{0,4})$/;

/**
 * Reads `203.0.113.7:443` or `[2001:db8::7]:443`. Port 0 is allowed: it means any free port where one listens.
 * Throws a `TunnelError` (`bad-params`) for anything else: names, zones (`%eth0`), signs, spaces, leading zeros.
 */
export function parseAddress(text: string): SocketAddress {
  if (text.length > MAX_ADDRESS_TEXT) throw badAddress();
  const colon = text.lastIndexOf(':');
  if (colon < 0) throw badAddress();
  const host = unbracket(text.slice(0, colon));
  return { host, port: parsePort(text.slice(colon + 1)) };
}

/** The text that `parseAddress` reads. */
export function formatAddress(address: SocketAddress): string {
  const { host, port } = address;
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Reads a port of 0 to 65535 written in plain decimal digits. Throws a `TunnelError` (`bad-params`). */
export function parsePort(text: string): number {
  const port = PORT_TEXT.test(text) ? Number(text) : Number.NaN;
  if (!(port <= 0xffff)) throw new TunnelError('bad-params', 'a port is a number from 0 to 65535');
  return port;
}

function unbracket(text: string): string {
  const isBracketed = text.startsWith('[') && text.endsWith(']');
  const host = isBracketed ? text.slice(1, -1) : text;
  if (host.includes('%') || ipVersion(host) !== (isBracketed ? 6 : 4)) throw badAddress();
  return host;
}

/** The text itself stays out of the message: it may be a user's. */
function badAddress(): TunnelError {
  return new TunnelError('bad-params', 'an address reads like 203.0.113.7:443 or [2001:db8::7]:443');
}
