// Which roles there are, who signs them, and which paths are theirs (docs/spec/publication.md §2).
import { createHash } from 'node:crypto';
import { PublicationError } from './errors.ts';
import { LIST_BIN_BITS, VALID_MS } from './limits.ts';

/** Roles whose keys people keep away from machines that are connected, and of which a majority has to sign. */
export const OFFLINE_ROLES = ['root', 'targets', 'releases'] as const;
/** Roles whose keys the publishing machine has. */
export const ONLINE_ROLES = ['network', 'snapshot', 'timestamp'] as const;

const PARTNER_PREFIX = 'partner-';
const BIN_PREFIX = 'network';
const NAME = /^[a-z0-9][a-z0-9-]{0,31}$/;
/** Of a target's path: no empty parts, none that begins with a dot. */
const PATH = /^(?:releases|network|partners)(?:\/[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}){1,4}$/;
const MAX_PATH_CHARS = 256;

/** The role of a partner. Throws a `PublicationError` (`malformed`) for what is no name. */
export function partnerRole(name: string): string {
  if (!NAME.test(name)) {
    throw new PublicationError('malformed', 'the name of a partner is up to 32 of a–z, 0–9 and -, not - first');
  }
  return `${PARTNER_PREFIX}${name}`;
}

/** The name of the partner whose role this is; null for another role. */
export function partnerOf(role: string): string | null {
  return role.startsWith(PARTNER_PREFIX) ? role.slice(PARTNER_PREFIX.length) : null;
}

/** Which paths a role that `targets` delegates to may sign for. */
export function pathsOf(role: string): string[] {
  const partner = partnerOf(role);
  const top = partner === null ? role : `partners/${partner}`;
  return partner === null ? [`${top}/*`, `${top}/*/*`, `${top}/*/*/*`] : [`${top}/*`, `${top}/*/*`];
}

/** Checks the path of a target, and gives the role that `targets` delegates it to. Throws a `PublicationError` (`malformed`). */
export function roleOfPath(path: string): string {
  if (path.length > MAX_PATH_CHARS || !PATH.test(path)) {
    throw new PublicationError('malformed', 'no path of a target', {
      remedy: 'Paths read like releases/NAME, network/NAME or partners/PARTNER/NAME.',
    });
  }
  const [top = '', partner = '', ...rest] = path.split('/');
  if (top !== 'partners') {
    if (rest.length > 2) throw new PublicationError('malformed', 'the path of a target has too many parts');
    return top;
  }
  if (rest.length === 0 || rest.length > 2) {
    throw new PublicationError('malformed', "the path of a partner's target reads like partners/PARTNER/NAME");
  }
  return partnerRole(partner);
}

/** The role that has the list with this path: one of 2^6 bins, by the first bits of SHA-256 of the path (TAP 15). */
export function binOf(path: string): string {
  const first = createHash('sha256').update(path).digest().readUInt32BE();
  return binName(first >>> (32 - LIST_BIN_BITS));
}

/** The names of all bins. */
export function allBins(): string[] {
  return Array.from({ length: 2 ** LIST_BIN_BITS }, (_, index) => binName(index));
}

/** Whether a role is a bin. */
export function isBin(role: string): boolean {
  return role.startsWith(`${BIN_PREFIX}-`);
}

/** How `network` delegates to its bins. */
export const BIN_DELEGATION = { bit_length: LIST_BIN_BITS, name_prefix: BIN_PREFIX } as const;

function binName(index: number): string {
  const digits = Math.ceil(LIST_BIN_BITS / 4);
  return `${BIN_PREFIX}-${index.toString(16).padStart(digits, '0')}`;
}

/** For how long what this role signs is valid, in ms. */
export function validMs(role: string): number {
  if (partnerOf(role) !== null) return VALID_MS.partner;
  if (isBin(role)) return VALID_MS.network;
  const known = Object.entries(VALID_MS).find(([name]) => name === role);
  if (known === undefined) throw new PublicationError('malformed', `there is no role ${role}`);
  return known[1];
}
