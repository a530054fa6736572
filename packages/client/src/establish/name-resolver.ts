import { lookup } from 'node:dns/promises';
import { parseIpAddress } from '@rozan/protocol';
import { TunnelError } from '@rozan/tunnel';
import { LOOKUPS_AT_ONCE } from '../limits.ts';

/** Gives what to dial for a name. Rejects with a `TunnelError` (`name-not-found`, `name-forged`) or with the signal's reason. */
export type NameResolver = (name: string, signal: AbortSignal) => Promise<string>;

/** All addresses that somebody knows for a name. Rejects when there are none. */
export type LookupAll = (name: string) => Promise<readonly string[]>;

/** Where an upstream proxy resolves them, names are dialled as they are. */
export const handOnNames: NameResolver = async (name) => name;

const lookupBySystem: LookupAll = async (name) => (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * Resolves names as the system does. A name of which no address can be a relay's (private, loopback, a placeholder) is one about which
 * the resolver lies; if only some are of that kind, the others are used. A lookup of the system cannot be ended, so that few are made at
 * once and the same one is never made twice; whoever waits for it may go.
 */
export function createNameResolver(lookupAll: LookupAll = lookupBySystem): NameResolver {
  const underWay = new Map<string, Promise<readonly string[]>>();
  const waiting: (() => void)[] = [];
  let running = 0;

  const start = async (name: string): Promise<readonly string[]> => {
    if (running >= LOOKUPS_AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await lookupAll(name);
    } finally {
      running -= 1;
      underWay.delete(name);
      waiting.shift()?.();
    }
  };

  return async (name, signal) => {
    signal.throwIfAborted();
    const lookup = underWay.get(name) ?? start(name);
    underWay.set(name, lookup);
    return pickPublic(await untilAborted(lookup, signal));
  };
}

function untilAborted(lookup: Promise<readonly string[]>, signal: AbortSignal): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    const settle = (act: () => void) => {
      signal.removeEventListener('abort', onAbort);
      act();
    };
    // The system's error names what was asked for.
    const notFound = () => new TunnelError('name-not-found', 'the name of the address does not resolve');
    lookup.then(
      (addresses) => settle(() => resolve(addresses)),
      () => settle(() => reject(notFound())),
    );
  });
}

function pickPublic(addresses: readonly string[]): string {
  if (addresses.length === 0) throw new TunnelError('name-not-found', 'the name of the address does not resolve');
  const address = addresses.find(isPublic);
  if (address === undefined) throw new TunnelError('name-forged', 'the name resolves to what cannot be a relay');
  return address;
}

/** Blocks in which no relay is: an address in hexadecimal and the bits of it that count (IANA's registries of special-purpose addresses). */
const SPECIAL: readonly (readonly [string, number])[] = [
  ['00', 8],
  ['0a', 8],
  ['6440', 10],
  ['7f', 8],
  ['a9fe', 16],
  ['ac10', 12],
  ['c00000', 24],
  ['c00002', 24],
  ['c0a8', 16],
  ['c612', 15],
  ['c63364', 24],
  ['cb0071', 24],
  ['e0', 3],
];

/** Whether an address can be that of a relay on the internet. */
export function isPublic(address: string): boolean {
  const bytes = parseIpAddress(address);
  if (bytes === undefined) return false;
  if (bytes.length === 4) return !SPECIAL.some(([hex, bits]) => startsWith(bytes, Buffer.from(hex, 'hex'), bits));
  // Global unicast is 2000::/3; out of it documentation, 6to4 and Teredo, which wrap addresses of other kinds.
  const [first = 0, second = 0] = [bytes.readUInt16BE(0), bytes.readUInt16BE(2)];
  if (first >> 13 !== 1) return false;
  return first !== 0x2002 && first !== 0x3fff && !(first === 0x2001 && (second === 0x0db8 || second < 0x0200));
}

function startsWith(bytes: Buffer, prefix: Buffer, bits: number): boolean {
  for (let bit = 0; bit < bits; bit += 1) {
    const mask = 0x80 >> (bit & 7);
    if (((bytes[bit >> 3] ?? 0) & mask) !== ((prefix[bit >> 3] ?? 0) & mask)) return false;
  }
  return true;
}
