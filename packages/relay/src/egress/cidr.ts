import { parseIpAddress } from '@rozan/protocol';

/** A block of addresses: those whose first `prefixBits` bits are those of `address`, which has 4 or 16 bytes. */
export interface Cidr {
  readonly address: Buffer;
  readonly prefixBits: number;
}

/** The first `prefixBits` bits of an address; the others become zero. */
export function maskAddress(address: Buffer, prefixBits: number): Buffer {
  return Buffer.from(address.map((byte, index) => byte & (0xff00 >> Math.min(8, Math.max(0, prefixBits - 8 * index)))));
}

/** Parses `ADDRESS/BITS`, or a bare address as a block of one. Bits behind the prefix must be zero. Null if it is anything else. */
export function parseCidr(text: string): Cidr | null {
  const [literal = '', bits, ...more] = text.split('/');
  const address = parseIpAddress(literal);
  if (address === undefined || more.length > 0) return null;
  if (bits === undefined) return { address, prefixBits: 8 * address.length };
  if (!/^(0|[1-9][0-9]{0,2})$/.test(bits) || Number(bits) > 8 * address.length) return null;
  const prefixBits = Number(bits);
  return maskAddress(address, prefixBits).equals(address) ? { address, prefixBits } : null;
}

/** Whether `address` (4 or 16 bytes) lies in `block`. The versions never match each other. */
export function cidrContains(block: Cidr, address: Buffer): boolean {
  if (block.address.length !== address.length) return false;
  const whole = block.prefixBits >> 3;
  if (block.address.compare(address, 0, whole, 0, whole) !== 0) return false;
  const mask = 0xff00 >> (block.prefixBits & 7);
  return (((block.address[whole] ?? 0) ^ (address[whole] ?? 0)) & mask & 0xff) === 0;
}
