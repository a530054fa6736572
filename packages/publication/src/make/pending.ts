// Documents that wait for people's signatures: `VERSION.ROLE.json` in a storage of their own, which nobody publishes.
import { PublicationError } from '../errors.ts';
import { parseMetadataFile } from '../layout.ts';
import { mergeSignatures, parseDocument, type RootJson, type TargetsJson } from '../metadata.ts';
import type { Storage } from '../storage/storage.ts';
import { type Authority, isSignedFor, type Requirement, requirementsOf } from './authority.ts';
import { type Document, type Published, readDocument } from './documents.ts';

/** A document that waits. */
export interface Waiting {
  readonly role: string;
  readonly version: number;
  /** Its name in the storage of what is pending. */
  readonly file: string;
  readonly needs: readonly Requirement[];
}

/** What people sign, as it will hold: what was published, with those of the pending documents that can take its place. */
export interface Offline {
  readonly root: Document<RootJson>;
  /** Roots that are new, in the order of their versions. */
  readonly newRoots: readonly Document<RootJson>[];
  readonly targets: Document<TargetsJson>;
  /** `releases`, and the roles of partners. */
  readonly delegated: ReadonlyMap<string, Document<TargetsJson>>;
  readonly waiting: readonly Waiting[];
}

export type PendingDocuments = ReadonlyMap<string, Document<RootJson> | Document<TargetsJson>>;

/** All pending documents by role, the newest of each. */
export async function readPending(pending: Storage): Promise<PendingDocuments> {
  const found = new Map<string, Document<RootJson> | Document<TargetsJson>>();
  for (const { name } of await pending.list('')) {
    const file = parseMetadataFile(name);
    const bytes = file === null ? null : await pending.read(name);
    if (file === null || bytes === null) continue;
    const isRoot = file.role === 'root';
    const document = isRoot ? readDocument<RootJson>(bytes, 'root') : readDocument<TargetsJson>(bytes, 'targets');
    if ((found.get(file.role)?.signed.version ?? 0) < document.signed.version) found.set(file.role, document);
  }
  return found;
}

/** The file of a pending document. */
export function pendingFile(role: string, version: number): string {
  return `${version}.${role}.json`;
}

/**
 * Takes a signed copy of a pending document back. Throws a `PublicationError`: `not-found` where nothing such waits, `conflict` where it is
 * not what waits, `malformed`.
 */
export async function acceptSigned(pending: Storage, bytes: Buffer): Promise<void> {
  const { signed } = parseDocument(bytes);
  for (const [role, document] of await readPending(pending)) {
    const isSame = document.signed._type === signed._type && document.signed.version === signed.version;
    if (!isSame || !isOver(document.bytes, bytes)) continue;
    await pending.write(pendingFile(role, signed.version), mergeSignatures(document.bytes, bytes));
    return;
  }
  throw new PublicationError('not-found', 'nothing waits that this signature is for', {
    remedy: '`rozan keys show` lists what waits. What was signed may have been replaced since.',
  });
}

/** The pending documents that are signed as they have to be take the place of those before, if together they hold. */
export function resolveOffline(published: Published | null, pending: PendingDocuments): Offline {
  const nextRoot = pending.get('root') as Document<RootJson> | undefined;
  const nextTargets = pending.get('targets') as Document<TargetsJson> | undefined;
  const before = published === null ? null : { root: published.root, targets: published.roles.get('targets') };
  for (const root of [nextRoot, before?.root]) {
    if (root === undefined || !holds(root, before?.root ?? null)) continue;
    for (const targets of [nextTargets, before?.targets]) {
      if (targets === undefined || !isSignedFor('targets', targets, { root, targets })) continue;
      const delegated = resolveDelegated({ root, targets }, published, pending);
      if (delegated === null) continue;
      const newRoots = root === before?.root ? [] : [root];
      return { root, newRoots, targets, delegated, waiting: waitingFor({ root, targets, delegated }, pending) };
    }
  }
  throw new PublicationError('unsigned', 'signatures are missing before anything can be published', {
    remedy: '`rozan keys show` lists what waits for whom; `rozan sign FILE --key KEY` signs it.',
  });
}

/** What waits, and for whom. */
export function waitingFor(
  taken: Authority & { readonly delegated: ReadonlyMap<string, Document> },
  pending: PendingDocuments,
): Waiting[] {
  // What waits is signed by those whom the waiting documents above it name.
  const authority: Authority = {
    root: (pending.get('root') as Document<RootJson> | undefined) ?? taken.root,
    targets: (pending.get('targets') as Document<TargetsJson> | undefined) ?? taken.targets,
  };
  const inForce = new Map<string, Document | null>([
    ...taken.delegated,
    ['root', taken.root],
    ['targets', taken.targets],
  ]);
  const isTaken = (role: string, document: Document) => inForce.get(role) === document;
  return [...pending]
    .filter(([role, document]) => !isTaken(role, document))
    .map(([role, document]) => {
      const { version } = document.signed;
      const needs = requirementsOf(role, document, role === 'root' ? taken : authority);
      return { role, version, file: pendingFile(role, version), needs };
    });
}

function holds(root: Document<RootJson>, before: Document<RootJson> | null): boolean {
  if (root === before) return true;
  if (before !== null && root.signed.version !== before.signed.version + 1) return false;
  return isSignedFor('root', root, { root: before ?? root, targets: null });
}

/** Null where a role that is published already would lose its signatures. */
function resolveDelegated(
  authority: Authority,
  published: Published | null,
  pending: PendingDocuments,
): ReadonlyMap<string, Document<TargetsJson>> | null {
  const delegated = new Map<string, Document<TargetsJson>>();
  for (const { name } of authority.targets?.signed.delegations?.roles ?? []) {
    if (name === 'network') continue;
    const before = published?.roles.get(name);
    const next = pending.get(name) as Document<TargetsJson> | undefined;
    const found = [next, before].find((one) => one !== undefined && isSignedFor(name, one, authority));
    if (found !== undefined) delegated.set(name, found);
    else if (before !== undefined || name === 'releases') return null;
  }
  return delegated;
}

function isOver(one: Buffer, other: Buffer): boolean {
  try {
    mergeSignatures(one, other);
    return true;
  } catch {
    return false;
  }
}
