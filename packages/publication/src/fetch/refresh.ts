// The client's workflow (TUF specification §5.3 to §5.6), at one mirror.
import type { KnownTimes } from '@rozan/protocol';
import { PublicationError } from '../errors.ts';
import { metadataFile, TIMESTAMP_FILE } from '../layout.ts';
import {
  MAX_ROOT_BYTES,
  MAX_ROOT_ROTATIONS,
  MAX_SNAPSHOT_BYTES,
  MAX_TARGETS_BYTES,
  MAX_TIMESTAMP_BYTES,
} from '../limits.ts';
import { isOver } from './freshness.ts';
import type { GetOptions, MirrorConnection } from './mirror-connection.ts';
import { spanOf, TrustedSet } from './trusted-set.ts';
import type { TrustedState } from './trusted-state.ts';

/** What a refresh needs beside a mirror. */
export interface RefreshOptions {
  readonly state: TrustedState;
  /** Without the times of issue in the metadata itself. */
  readonly times: Omit<KnownTimes, 'issuedMs'>;
  /** Keeps what must not be forgotten, though the rest may still fail. */
  readonly persist: (state: TrustedState) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
}

/** A set that fits together, and the bytes that it is made of. */
export interface Refreshed {
  readonly set: TrustedSet;
  readonly state: TrustedState;
}

/** Brings the trusted metadata up to what a mirror has. Rejects with a `PublicationError`; what was trusted before stays so. */
export async function refreshFrom(mirror: MirrorConnection, options: RefreshOptions): Promise<Refreshed> {
  const { persist, signal, times } = options;
  let { state } = options;
  const keep = async (change: Partial<TrustedState>) => {
    state = { ...state, ...change };
    await persist(state);
  };
  const set = new TrustedSet(state.root);
  await followRoots(mirror, { set, signal, onRoot: (root) => keep({ root }) });
  const kept = takeKeptTimestamp(set, state);
  const known = { ...times, issuedMs: set.issuedMs([]) };
  if (isOver(spanOf(set.root), known)) {
    throw new PublicationError('expired', 'the root of the publication is out of its time, and there is no newer one', {
      remedy: 'Update the program, or get a newer brand file.',
    });
  }
  const bytes = await fetchNeeded(mirror, TIMESTAMP_FILE, { maxBytes: MAX_TIMESTAMP_BYTES, signal });
  const timestamp = set.takeTimestamp(bytes) ? bytes : (kept ?? bytes);
  if (timestamp !== state.timestamp) await keep({ floor: timestamp });
  const snapshot = await takeSnapshot(mirror, { set, state, signal });
  const targets = await takeRole(mirror, { set, state, role: 'targets', parent: 'root', signal });
  const roles = new Map([...state.roles, ['targets', targets]]);
  await keep({ timestamp, snapshot, roles, floor: null });
  return { set, state };
}

/** The set that is in a state, without asking anybody; null where it is incomplete. */
export function restore(state: TrustedState): TrustedSet | null {
  const { timestamp, snapshot, roles } = state;
  const targets = roles.get('targets');
  if (timestamp === null || snapshot === null || targets === undefined) return null;
  try {
    const set = new TrustedSet(state.root);
    set.takeTimestamp(timestamp);
    set.takeSnapshot(snapshot, { wasTrusted: true });
    set.takeTargets(targets, 'targets', 'root');
    return set;
  } catch {
    return null;
  }
}

/** How a role's metadata is had. */
export interface RoleOptions {
  readonly set: TrustedSet;
  readonly state: TrustedState;
  readonly role: string;
  readonly parent: string;
  readonly signal?: AbortSignal | undefined;
}

/** Takes a role's metadata from the state; false where it is another version than the snapshot names. */
export function takeKeptRole({ set, state, role, parent }: RoleOptions): Buffer | null {
  const kept = state.roles.get(role);
  if (kept === undefined) return null;
  try {
    set.takeTargets(kept, role, parent);
    return kept;
  } catch {
    return null;
  }
}

/** Takes a role's metadata from the state or, where that is another version, from the mirror. */
export async function takeRole(mirror: MirrorConnection, options: RoleOptions): Promise<Buffer> {
  const kept = takeKeptRole(options);
  if (kept !== null) return kept;
  const { set, role, parent, signal } = options;
  const meta = set.snapshot?.meta[`${role}.json`];
  if (meta === undefined) throw new PublicationError('not-found', `nothing was published by the role ${role} yet`);
  const maxBytes = Math.min(meta.length ?? MAX_TARGETS_BYTES, MAX_TARGETS_BYTES);
  const bytes = await fetchNeeded(mirror, metadataFile(role, meta.version), { maxBytes, signal });
  set.takeTargets(bytes, role, parent);
  return bytes;
}

interface RootOptions {
  readonly set: TrustedSet;
  readonly signal: AbortSignal | undefined;
  readonly onRoot: (root: Buffer) => Promise<void>;
}

async function followRoots(mirror: MirrorConnection, { set, signal, onRoot }: RootOptions): Promise<void> {
  for (let rotation = 0; rotation < MAX_ROOT_ROTATIONS; rotation++) {
    const name = metadataFile('root', set.root.version + 1);
    const root = await fetchBytes(mirror, name, { maxBytes: MAX_ROOT_BYTES, signal });
    if (root === null) return;
    set.takeRoot(root);
    await onRoot(root);
  }
}

/** One whose keys the root does not name any more is as good as none (§5.3.11: that is how a stolen key's versions are got rid of). */
function takeKeptTimestamp(set: TrustedSet, { floor, timestamp }: TrustedState): Buffer | null {
  for (const kept of [timestamp, floor]) {
    if (kept !== null) ignoreFailure(() => set.takeTimestamp(kept));
  }
  if (set.timestamp === undefined) return null;
  return [floor, timestamp].find((bytes) => bytes !== null && versionOf(bytes) === set.timestamp?.version) ?? null;
}

function versionOf(bytes: Buffer): unknown {
  return JSON.parse(bytes.toString('utf8')).signed?.version;
}

async function takeSnapshot(
  mirror: MirrorConnection,
  { set, state, signal }: { set: TrustedSet; state: TrustedState; signal: AbortSignal | undefined },
): Promise<Buffer> {
  const meta = set.timestamp?.snapshotMeta;
  if (meta === undefined) throw new PublicationError('malformed', 'a timestamp without a snapshot');
  const { snapshot } = state;
  if (snapshot !== null) {
    // Though it may not be the one that the timestamp names, nothing in the next one may be older than in it.
    ignoreFailure(() => set.takeSnapshot(snapshot, { wasTrusted: true }));
    if (set.snapshot?.version === meta.version) return snapshot;
  }
  const maxBytes = Math.min(meta.length ?? MAX_SNAPSHOT_BYTES, MAX_SNAPSHOT_BYTES);
  const bytes = await fetchNeeded(mirror, metadataFile('snapshot', meta.version), { maxBytes, signal });
  set.takeSnapshot(bytes);
  return bytes;
}

/** Fetches a file; null where the mirror does not have it. */
export async function fetchBytes(
  mirror: MirrorConnection,
  name: string,
  options: Pick<GetOptions, 'maxBytes' | 'signal'>,
): Promise<Buffer | null> {
  const pieces: Buffer[] = [];
  const outcome = await mirror.get(name, { ...options, onBytes: (bytes) => pieces.push(bytes) });
  return outcome === 'missing' ? null : Buffer.concat(pieces);
}

async function fetchNeeded(
  mirror: MirrorConnection,
  name: string,
  options: Pick<GetOptions, 'maxBytes' | 'signal'>,
): Promise<Buffer> {
  const bytes = await fetchBytes(mirror, name, options);
  if (bytes === null) throw new PublicationError('unavailable', 'the mirror lacks a part of the publication');
  return bytes;
}

function ignoreFailure(work: () => unknown): void {
  try {
    work();
  } catch {
    // Told apart by what the set holds afterwards.
  }
}
