import { parseIpAddress } from '@rozan/protocol';

/** Prefixes of addresses. */
export type AddressSet = readonly { readonly bytes: Buffer; readonly bits: number }[];

/** Addresses and prefixes: `192.0.2.0/24`, `2001:db8::1`. Throws `TypeError` for anything else. */
export function parseAddressSet(texts: readonly string[]): AddressSet {
  return texts.map((text) => {
    const [host = '', prefix] = text.split('/');
    const bytes = parseIpAddress(host);
    const bits = prefix === undefined ? (bytes?.length ?? 0) * 8 : Number(prefix);
    if (bytes === undefined || !/^\d*$/.test(prefix ?? '') || bits > bytes.length * 8) {
      throw new TypeError(`not an address or prefix: ${text}`);
    }
    return { bytes: Buffer.from(bytes), bits };
  });
}

/** Whether a literal address is in the set. */
export function inAddressSet(set: AddressSet, host: string): boolean {
  const bytes = parseIpAddress(host);
  if (bytes === undefined) return false;
  return set.some((prefix) => prefix.bytes.length === bytes.length && startsWith(bytes, prefix.bytes, prefix.bits));
}

function startsWith(bytes: Uint8Array, prefix: Uint8Array, bits: number): boolean {
  for (let at = 0; at < bits; at += 8) {
    const mask = bits - at >= 8 ? 0xff : (0xff << (8 - (bits - at))) & 0xff;
    if ((((bytes[at >> 3] ?? 0) ^ (prefix[at >> 3] ?? 0)) & mask) !== 0) return false;
  }
  return true;
}
