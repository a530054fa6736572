import { formatIpAddress, parseIpAddress } from '@rozan/protocol';

/** One part of a numeric host: decimal, octal with a leading zero, or hexadecimal with 0x. */
function parsePart(text: string): number | null {
  if (/^0x[0-9a-f]*$/i.test(text)) return text.length === 2 ? 0 : Number.parseInt(text.slice(2), 16);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  if (/^[1-9][0-9]*$/.test(text)) return Number(text);
  return null;
}

/**
 * Whether a host must be an IPv4 address rather than a name: its last label is a number (URL Standard, "ends in a number").
 * No public name ends so; asking a resolver about such a host would only let its parser decide what it means.
 */
function endsInNumber(labels: readonly string[]): boolean {
  const last = labels.at(-1) ?? '';
  return /^[0-9]+$/.test(last) || /^0x[0-9a-f]*$/i.test(last);
}

/** The address in the notations of inet_aton: one to four parts, of which the last fills what the others leave. */
function parseParts(labels: readonly string[]): string | null {
  if (labels.length > 4) return null;
  const address = Buffer.alloc(4);
  for (const [index, label] of labels.entries()) {
    const part = parsePart(label);
    const count = index === labels.length - 1 ? 5 - labels.length : 1;
    if (part === null || part >= 256 ** count) return null;
    address.writeUIntBE(part, index, count);
  }
  return formatIpAddress(address);
}

/** What a host is: an address in whatever notation, a name to look up, or neither. */
export type HostKind =
  | { readonly kind: 'address'; readonly address: string }
  | { readonly kind: 'name' }
  | { readonly kind: 'malformed' };

/**
 * Tells an address from a name. Takes IPv6 with or without brackets, and IPv4 as `127.0.0.1`, `127.1`, `0x7f.1`, `017700000001`,
 * `2130706433` or with a final dot; a zone id is dropped, because every address that can have one is refused by the guard.
 */
export function readHost(host: string): HostKind {
  const bare = /^\[(.*)\]$/.exec(host)?.[1] ?? host;
  if (bare.includes(':')) {
    const [literal = ''] = bare.split('%');
    return parseIpAddress(literal) === undefined ? { kind: 'malformed' } : { kind: 'address', address: literal };
  }
  const labels = (bare.endsWith('.') ? bare.slice(0, -1) : bare).split('.');
  if (!endsInNumber(labels)) return { kind: 'name' };
  const address = parseParts(labels);
  return address === null ? { kind: 'malformed' } : { kind: 'address', address };
}
