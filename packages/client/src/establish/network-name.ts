import { scryptSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { parseIpAddress } from '@rozan/protocol';

/** Something that is the same whenever this machine is on the same network, or null when it is on none. It never leaves the process. */
export type DescribeNetwork = () => Promise<string | null>;

/** So few that many networks of the world have each name: it recognises, and does not prove. */
const NAME_BYTES = 4;

/** Some hundredths of a second, once on each network. */
const SLOWNESS = { N: 2 ** 14, r: 8, p: 1 };

const ROUTES_FILE = '/proc/net/route';
const DEFAULT_ROUTE = /^(\S+)\t00000000\t([0-9A-F]{8})\t/gm;

/** The gateways of this machine where the system tells of them (Linux), and the prefixes of its addresses; not its own addresses. */
export const describeThisNetwork: DescribeNetwork = async () => {
  const routes = await readFile(ROUTES_FILE, 'latin1').catch(() => '');
  const gateways = [...routes.matchAll(DEFAULT_ROUTE)].map(([, name = '', gateway = '']) => ({ name, gateway }));
  const names = new Set(gateways.map(({ name }) => name));
  const prefixes = Object.entries(networkInterfaces())
    .filter(([name]) => names.size === 0 || names.has(name))
    .flatMap(([, addresses = []]) =>
      addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80')),
    )
    .map(({ address }) => prefixOf(address));
  const parts = [...new Set([...gateways.map(({ gateway }) => gateway), ...prefixes])].sort();
  return parts.length === 0 ? null : parts.join(' ');
};

/** What of an address is the same for a whole network: at most 24 bits of IPv4, 48 of IPv6; what follows may be this machine's alone. */
function prefixOf(address: string): string {
  const bytes = parseIpAddress(address);
  return bytes === undefined ? '' : bytes.subarray(0, bytes.length === 4 ? 3 : 6).toString('hex');
}

/**
 * What a network is called in the file: a slow hash of its description under the file's salt. Whoever has the file can only try guesses,
 * slowly, and a guess that fits is one of many.
 */
export class NetworkNamer {
  readonly #salt: Buffer;
  readonly #describe: DescribeNetwork;
  #last: { readonly description: string; readonly name: string } | null = null;

  constructor(salt: Buffer, describe: DescribeNetwork) {
    this.#salt = salt;
    this.#describe = describe;
  }

  /** The name of the network that this machine is on, or null when it is on none that it can tell. */
  async name(): Promise<string | null> {
    const description = await this.#describe().catch(() => null);
    if (description === null) return null;
    if (this.#last?.description === description) return this.#last.name;
    const name = scryptSync(description, this.#salt, NAME_BYTES, SLOWNESS).toString('base64url');
    this.#last = { description, name };
    return name;
  }
}
