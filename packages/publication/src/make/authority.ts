import { Key } from '@tufjs/models';
import { PublicationError } from '../errors.ts';
import {
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type RoleJson,
  type RootJson,
  type TargetsJson,
} from '../metadata.ts';
import { isBin } from '../roles.ts';
import type { Document } from './documents.ts';

type Signable = Parameters<Key['verifySignature']>[0];

/** Signatures that a document needs from one set of keys. */
export interface Requirement {
  /** Whose: `root` has to be signed by the keys of the root before, too. */
  readonly by: 'role' | 'previous root';
  readonly threshold: number;
  readonly keyids: readonly string[];
  /** Those of `keyids` that have signed. */
  readonly signed: readonly string[];
}

/** Who may sign what: the root that holds, and the targets that it vouches for. */
export interface Authority {
  readonly root: Document<RootJson>;
  readonly targets: Document<TargetsJson> | null;
}

/** The role as it is delegated. Throws a `PublicationError` (`not-found`) where nobody delegates to it. */
export function delegationOf(role: string, { root, targets }: Authority): RoleJson {
  const top = root.signed.roles[role];
  if (top !== undefined) return top;
  const name = isBin(role) ? 'network' : role;
  const found = targets?.signed.delegations?.roles?.find((one) => one.name === name);
  if (found === undefined) throw new PublicationError('not-found', `nobody delegates to the role ${role}`);
  return found;
}

/** The signatures that a document of a role needs, and has. */
export function requirementsOf(role: string, document: Document, authority: Authority): Requirement[] {
  if (role === 'root') {
    const next = document.signed as RootJson;
    const own = requirement(document, { by: 'role', role: next.roles.root, keys: next.keys });
    const { signed } = authority.root;
    if (signed.version >= next.version) return [own];
    return [requirement(document, { by: 'previous root', role: signed.roles.root, keys: signed.keys }), own];
  }
  const isTop = authority.root.signed.roles[role] !== undefined;
  const keys = isTop ? authority.root.signed.keys : (authority.targets?.signed.delegations?.keys ?? {});
  return [requirement(document, { by: 'role', role: delegationOf(role, authority), keys })];
}

/** Whether enough keys have signed. */
export function isFulfilled(requirements: readonly Requirement[]): boolean {
  return requirements.every(({ signed, threshold }) => signed.length >= threshold);
}

/** Whether the document is signed as the authority asks; false, too, where nobody delegates to the role. */
export function isSignedFor(role: string, document: Document, authority: Authority): boolean {
  try {
    return isFulfilled(requirementsOf(role, document, authority));
  } catch (error) {
    if (error instanceof PublicationError && error.code === 'not-found') return false;
    throw error;
  }
}

function requirement(
  document: Document,
  { by, role, keys }: { by: Requirement['by']; role: RoleJson | undefined; keys: RootJson['keys'] },
): Requirement {
  if (role === undefined) throw new PublicationError('malformed', 'root metadata without a role for itself');
  const metadata = readAny(document);
  const signed = role.keyids.filter((id) => {
    const key = keys[id];
    return key !== undefined && hasSigned(Key.fromJSON(id, JSON.parse(JSON.stringify(key))), metadata);
  });
  return { by, threshold: role.threshold, keyids: role.keyids, signed };
}

/** Of these the library has a type for each. */
function readAny({ bytes, signed }: Document): Signable {
  if (signed._type === 'root') return parseRoot(bytes);
  if (signed._type === 'snapshot') return parseSnapshot(bytes);
  return signed._type === 'timestamp' ? parseTimestamp(bytes) : parseTargets(bytes);
}

function hasSigned(key: Key, metadata: Signable): boolean {
  try {
    key.verifySignature(metadata);
    return true;
  } catch {
    return false;
  }
}
