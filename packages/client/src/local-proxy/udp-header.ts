// The head of a datagram between application and SOCKS5 proxy (RFC 1928 §7):
//
//   reserved u16 ‖ fragment u8 ‖ address ‖ port u16 ‖ data
import type { SocketAddress, Target } from '@rozan/tunnel';
import { readSocksAddress, socksAddress } from './socks5-machine.ts';
import { parseTarget } from './target-host.ts';

/** What an application has put into a datagram. */
export interface UdpRequest {
  readonly target: Target;
  /** Where the data begin. */
  readonly headerBytes: number;
}

/** Why a datagram of an application is dropped. */
export type UdpRefusal = 'malformed' | 'fragment' | 'bad-target';

const FIXED_BYTES = 3;

/** Reads the head of an application's datagram. Fragments are not put together: RFC 1928 leaves that to the proxy. Never throws. */
export function readUdpHeader(bytes: Buffer): UdpRequest | UdpRefusal {
  const fragment = bytes[2];
  if (fragment === undefined) return 'malformed';
  if (fragment !== 0) return 'fragment';
  const address = readSocksAddress(bytes.subarray(FIXED_BYTES));
  if (address === undefined || address === 'unknown-type') return 'malformed';
  const target = parseTarget(address.host, address.port);
  return target === undefined ? 'bad-target' : { target, headerBytes: FIXED_BYTES + address.taken };
}

/** The head of a datagram to an application: it came from `source`, a literal address. */
export function writeUdpHeader(source: SocketAddress): Buffer {
  return Buffer.concat([Buffer.alloc(FIXED_BYTES), socksAddress(source)]);
}
