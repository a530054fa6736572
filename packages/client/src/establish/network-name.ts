import { scrypt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { networkInterfaces } from 'node:os';
import { promisify } from 'node:util';

/** Something that is the same whenever this machine is on the same network, or null when it is on none. It never leaves the process. */
export type DescribeNetwork = () => Promise<string | null>;

const scryptOf = promisify<string, Buffer, number, Buffer>(scrypt);

/** So few that many networks of the world have each name: it recognises, and does not prove. */
const NAME_BYTES = 4;

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
    .map(({ family, address, netmask }) => (family === 'IPv4' ? prefixOf(address, netmask) : prefixOf6(address)));
  const parts = [...new Set([...gateways.map(({ gateway }) => gateway), ...prefixes])].sort();
  return parts.length === 0 ? null : parts.join(' ');
};

function prefixOf(address: string, netmask: string): string {
  const mask = netmask.split('.').map(Number);
  const bytes = address.split('.').map((byte, index) => Number(byte) & (mask[index] ?? 0));
  return bytes.join('.');
}

/** The first 48 bits: what follows changes for privacy and from one start of a router to the next. */
function prefixOf6(address: string): string {
  return address.split(':').slice(0, 3).join(':');
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
    const name = (await scryptOf(description, this.#salt, NAME_BYTES)).toString('base64url');
    this.#last = { description, name };
    return name;
  }
}
