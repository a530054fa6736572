// Drafts of what people sign. Each is put into the storage of what is pending; `publish` takes it when enough have signed.
import { PublicationError } from '../errors.ts';
import { canonicalBytes, keyJson, type PublicKey } from '../keys.ts';
import { targetFile } from '../layout.ts';
import { OFFLINE_THRESHOLD } from '../limits.ts';
import {
  type DelegatedRoleJson,
  head,
  keysJson,
  type RoleJson,
  type RootJson,
  sha256,
  signMetadata,
  type TargetJson,
  type TargetsJson,
} from '../metadata.ts';
import { BIN_DELEGATION, ONLINE_ROLES, partnerOf, partnerRole, pathsOf, roleOfPath, validMs } from '../roles.ts';
import type { Storage } from '../storage/storage.ts';
import { type Published, readDocument, readPublished } from './documents.ts';
import { pendingFile, readPending } from './pending.ts';

/** Where a publication is made. */
export interface Workshop {
  /** What is published. */
  readonly storage: Storage;
  /** What waits for signatures. */
  readonly pending: Storage;
}

/** Who signs which role. */
export interface RoleKeys {
  readonly root: readonly PublicKey[];
  readonly targets: readonly PublicKey[];
  readonly releases: readonly PublicKey[];
  readonly network: readonly PublicKey[];
  readonly snapshot: readonly PublicKey[];
  readonly timestamp: readonly PublicKey[];
}

const onlineRoles: readonly string[] = ONLINE_ROLES;

/** How many of the keys of a role have to sign: 2 of those that people keep, if there are so many. */
export function thresholdOf(role: string, keyCount: number): number {
  return onlineRoles.includes(role) || partnerOf(role) !== null ? 1 : Math.min(OFFLINE_THRESHOLD, keyCount);
}

/** Drafts the first root, targets and releases. Throws a `PublicationError` (`conflict`) where there is a publication already. */
export async function draftFirst(workshop: Workshop, keys: RoleKeys, nowMs: number): Promise<void> {
  const [published, pending] = [await readPublished(workshop.storage), await readPending(workshop.pending)];
  if (published !== null || pending.size > 0) {
    throw new PublicationError('conflict', 'there is a publication here already', {
      remedy: 'Take another folder; keys are replaced by `rozan keys rotate`.',
    });
  }
  const dating = (role: string) => ({ version: 1, issuedMs: nowMs, expiresMs: nowMs + validMs(role) });
  const top = { root: keys.root, targets: keys.targets, snapshot: keys.snapshot, timestamp: keys.timestamp };
  const root: RootJson = {
    ...head('root', dating('root')),
    consistent_snapshot: true,
    keys: keysJson(Object.values(top).flat()),
    roles: Object.fromEntries(Object.entries(top).map(([role, list]) => [role, roleJson(role, list)])),
  };
  const targets: TargetsJson = {
    ...head('targets', dating('targets')),
    targets: {},
    delegations: {
      keys: keysJson([...keys.releases, ...keys.network]),
      roles: [delegatedRole('releases', keys.releases), delegatedRole('network', keys.network)],
    },
  };
  const releases: TargetsJson = { ...head('targets', dating('releases')), targets: {} };
  await putDraft(workshop.pending, 'root', root);
  await putDraft(workshop.pending, 'targets', targets);
  await putDraft(workshop.pending, 'releases', releases);
}

/** How the keys of a role change. */
export interface KeyChange {
  readonly role: string;
  readonly add: readonly PublicKey[];
  /** Ids. */
  readonly remove: readonly string[];
}

/**
 * Drafts what has to be signed so that a role has other keys; for offline roles other than root a draft of the role's own metadata comes with
 * it, since the new keys have to sign it. A draft that waits is built upon. Throws a `PublicationError` (`not-found`, `conflict`).
 */
export async function draftKeyChange(workshop: Workshop, change: KeyChange, nowMs: number): Promise<void> {
  const { role, add, remove } = change;
  const { root, targets, roles } = await drafts(workshop);
  const isTop = root.roles[role] !== undefined;
  if (isTop) {
    const changed = changedRole(root.roles[role] as RoleJson, change);
    const next = { ...root, roles: { ...root.roles, [role]: changed } };
    const keys = usedKeys({ ...root.keys, ...keysJson(add) }, Object.values(next.roles));
    await putDraft(workshop.pending, 'root', { ...next, keys, ...renewed('root', root, nowMs) });
    if (role === 'targets')
      await putDraft(workshop.pending, 'targets', { ...targets, ...renewed(role, targets, nowMs) });
    return;
  }
  const delegations = targets.delegations;
  const before = delegations?.roles?.find(({ name }) => name === role);
  if (delegations === undefined || before === undefined) {
    throw new PublicationError('not-found', `there is no role ${role}`, {
      remedy: '`rozan keys show` lists the roles.',
    });
  }
  const changed = { ...before, ...changedRole(before, { role, add, remove }) };
  const list = delegations.roles?.map((one) => (one.name === role ? changed : one)) ?? [];
  const allKeys = { ...delegations.keys, ...keysJson(add) };
  await putTargetsDraft(workshop, targets, { roles: list, keys: allKeys, nowMs });
  const own = roles.get(role);
  if (own !== undefined && role !== 'network') {
    await putDraft(workshop.pending, role, { ...own, ...renewed(role, own, nowMs) });
  }
}

/** Drafts the delegation to a partner, who signs with one key, and the partner's first metadata. */
export async function draftPartner(
  workshop: Workshop,
  { name, key }: { readonly name: string; readonly key: PublicKey },
  nowMs: number,
): Promise<void> {
  const role = partnerRole(name);
  const { targets, roles } = await drafts(workshop);
  const before = targets.delegations?.roles ?? [];
  if (before.some((one) => one.name === role)) {
    throw new PublicationError('conflict', `there is a partner ${name} already`, {
      remedy: `\`rozan keys rotate --role ${role}\` gives a partner another key.`,
    });
  }
  const keys = { ...targets.delegations?.keys, [key.id]: keyJson(key) };
  await putTargetsDraft(workshop, targets, { roles: [...before, delegatedRole(role, [key])], keys, nowMs });
  const known = roles.get(role);
  const own = known ?? { ...head('targets', { version: 0, issuedMs: nowMs, expiresMs: nowMs }), targets: {} };
  await putDraft(workshop.pending, role, { ...own, ...renewed(role, own, nowMs) });
}

/** Drafts a role's metadata with later dates and nothing else. For `root`, `targets`, `releases` and partners. */
export async function draftRenewal(workshop: Workshop, role: string, nowMs: number): Promise<void> {
  const { root, roles } = await drafts(workshop);
  const before = role === 'root' ? root : roles.get(role);
  if (before === undefined || onlineRoles.includes(role)) {
    throw new PublicationError('not-found', `there is no role ${role} that people sign`);
  }
  await putDraft(workshop.pending, role, { ...before, ...renewed(role, before, nowMs) });
}

/** A file that people sign for. */
export interface SignedFile {
  readonly bytes: Buffer;
  /** What else is signed of it: text, whole numbers, truth values, lists and objects of them. */
  readonly custom?: { readonly [name: string]: unknown };
}

/**
 * Drafts releases or a partner's content: all files of the role, by path. The files themselves go into the storage at once, where nothing
 * refers to them. Returns whether anything differs from what is published or waits.
 */
export async function draftFiles(
  workshop: Workshop,
  role: string,
  { files, nowMs }: { readonly files: ReadonlyMap<string, SignedFile>; readonly nowMs: number },
): Promise<boolean> {
  const { roles } = await drafts(workshop);
  const before = roles.get(role);
  if (before === undefined || role === 'network') {
    throw new PublicationError('not-found', `there is no role ${role} that people sign files for`);
  }
  const targets: { [path: string]: TargetJson } = {};
  for (const [path, file] of files) {
    if (roleOfPath(path) !== role) throw new PublicationError('conflict', `${path} is not for ${role} to sign`);
    targets[path] = targetJson(file);
  }
  if (canonicalBytes(targets).equals(canonicalBytes(before.targets))) return false;
  for (const [path, { bytes }] of files) await workshop.storage.write(targetFile(path, sha256(bytes)), bytes);
  await putDraft(workshop.pending, role, { ...before, ...renewed(role, before, nowMs), targets });
  return true;
}

/** What metadata says of a file. */
export function targetJson({ bytes, custom }: SignedFile): TargetJson {
  const target = { length: bytes.length, hashes: { sha256: sha256(bytes) } };
  return custom === undefined ? target : { ...target, custom };
}

/** Offline documents as the newest drafts have them; versions are those that are published. */
async function drafts(workshop: Workshop) {
  const [published, pending] = [await readPublished(workshop.storage), await readPending(workshop.pending)];
  const newest = <T>(role: string, before: T | undefined): T | undefined =>
    newerThan(published, role, pending.get(role)?.signed) ?? before;
  const root = newest<RootJson>('root', published?.root.signed);
  const targets = newest<TargetsJson>('targets', published?.roles.get('targets')?.signed);
  if (root === undefined || targets === undefined) {
    throw new PublicationError('not-found', 'there is no publication here', {
      remedy: '`rozan keys init` begins one.',
    });
  }
  const names = new Set([...(published?.roles.keys() ?? []), ...pending.keys()]);
  const roles = new Map<string, TargetsJson>();
  for (const role of names) {
    const signed = newest<TargetsJson>(role, published?.roles.get(role)?.signed);
    if (signed !== undefined && role !== 'root') roles.set(role, signed);
  }
  return { root, targets, roles };

  // A draft of version n has the versions before it behind it: the next draft takes its place.
  function newerThan<T>(current: Published | null, role: string, draft: unknown): T | undefined {
    if (draft === undefined) return undefined;
    const version = (role === 'root' ? current?.root : current?.roles.get(role))?.signed.version ?? 0;
    const { version: own } = draft as { version: number };
    return own > version ? ({ ...(draft as object), version } as T) : undefined;
  }
}

async function putTargetsDraft(
  { pending }: Workshop,
  before: TargetsJson,
  options: { roles: readonly DelegatedRoleJson[]; keys: RootJson['keys']; nowMs: number },
): Promise<void> {
  const { roles, keys, nowMs } = options;
  const delegations = { keys: usedKeys(keys, roles), roles };
  await putDraft(pending, 'targets', { ...before, ...renewed('targets', before, nowMs), delegations });
}

/** A draft takes the place of every other of its role: signatures for those are gone. */
async function putDraft(pending: Storage, role: string, signed: RootJson | TargetsJson): Promise<void> {
  const file = pendingFile(role, signed.version);
  const bytes = signMetadata(signed, []);
  readDocument(bytes, signed._type);
  await pending.write(file, bytes);
}

/** Dates and version of what follows a document. */
function renewed(role: string, before: RootJson | TargetsJson, nowMs: number) {
  // A clock that was set back must not make documents that are older than those before.
  const issuedMs = Math.max(nowMs, Date.parse(before.issued));
  const dating = { version: before.version + 1, issuedMs, expiresMs: issuedMs + validMs(role) };
  const { version, issued, expires } = head(before._type, dating);
  return { version, issued, expires };
}

function roleJson(role: string, keys: readonly PublicKey[]): RoleJson {
  if (keys.length === 0) throw new PublicationError('key', `there is no key for the role ${role}`);
  return { keyids: keys.map(({ id }) => id), threshold: thresholdOf(role, keys.length) };
}

/** The delegation to `releases`, `network` or a partner. */
function delegatedRole(role: string, keys: readonly PublicKey[]): DelegatedRoleJson {
  return { ...roleJson(role, keys), name: role, terminating: true, paths: pathsOf(role) };
}

function changedRole(before: RoleJson, { role, add, remove }: KeyChange): RoleJson {
  const missing = remove.find((id) => !before.keyids.includes(id));
  if (missing !== undefined) throw new PublicationError('not-found', `${missing} is not a key of ${role}`);
  const keyids = [...new Set([...before.keyids.filter((id) => !remove.includes(id)), ...add.map(({ id }) => id)])];
  if (keyids.length === 0) throw new PublicationError('conflict', `${role} would have no key left`);
  return { keyids, threshold: thresholdOf(role, keyids.length) };
}

function usedKeys(keys: RootJson['keys'], roles: readonly RoleJson[]): RootJson['keys'] {
  const used = new Set(roles.flatMap(({ keyids }) => keyids));
  return Object.fromEntries(Object.entries(keys).filter(([id]) => used.has(id)));
}

/** How `network` delegates to its bins: with its own keys. */
export function binDelegations(role: RoleJson, keys: RootJson['keys']): NonNullable<TargetsJson['delegations']> {
  const { keyids, threshold } = role;
  const own = Object.fromEntries(Object.entries(keys).filter(([id]) => keyids.includes(id)));
  return { keys: own, succinct_roles: { keyids, threshold, ...BIN_DELEGATION } };
}
