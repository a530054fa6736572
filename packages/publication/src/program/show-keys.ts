import { PublicationError } from '../errors.ts';
import { readDocument, readPublished } from '../make/documents.ts';
import type { Waiting } from '../make/pending.ts';
import { readPending, resolveOffline, waitingFor } from '../make/pending.ts';
import type { RoleJson, RootJson, TargetsJson } from '../metadata.ts';
import { shortId } from './describe-document.ts';
import { describeWaiting } from './describe-waiting.ts';
import type { StateFolder } from './state-folder.ts';

const DAY_MS = 86_400_000;

/** A role, who signs for it, and until when what it has signed holds. */
interface ShownRole {
  readonly role: string;
  readonly threshold: number;
  readonly keys: readonly { readonly id: string; readonly isHere: boolean }[];
  /** Null for a role that has signed nothing yet. */
  readonly expires: string | null;
}

/** All that `rozan keys show` shows. */
export interface ShownKeys {
  /** The version of the publication; null before the first. */
  readonly version: number | null;
  readonly roles: readonly ShownRole[];
  readonly waiting: readonly Waiting[];
  readonly lines: readonly string[];
}

/** Who signs what in a folder of state, as published or, before that, as drafted. */
export async function showKeys(folder: StateFolder, nowMs: number): Promise<ShownKeys> {
  const [published, drafts] = [await readPublished(folder.storage), await readPending(folder.pending)];
  const root = published?.root ?? drafts.get('root');
  const targets = published?.roles.get('targets') ?? drafts.get('targets');
  if (root === undefined || targets === undefined) {
    throw new PublicationError('not-found', `there is no publication in ${folder.path}`, {
      remedy: '`rozan keys init` begins one.',
    });
  }
  const here = new Set((await folder.onlineKeys()).map(({ id }) => id));
  const expiryOf = (role: string): string | null => {
    if (published === null) return null;
    const tops = { root: published.root, snapshot: published.snapshot, timestamp: published.timestamp };
    const document = Object.entries(tops).find(([name]) => name === role)?.[1] ?? published.roles.get(role);
    return document?.signed.expires ?? null;
  };
  const shown = (role: string, { keyids, threshold }: RoleJson): ShownRole => ({
    role,
    threshold,
    keys: keyids.map((id) => ({ id, isHere: here.has(id) })),
    expires: expiryOf(role),
  });
  const top = readDocument<RootJson>(root.bytes, 'root').signed.roles;
  const delegated = readDocument<TargetsJson>(targets.bytes, 'targets').signed.delegations?.roles ?? [];
  const roles = [
    ...Object.entries(top).map(([role, one]) => shown(role, one)),
    ...delegated.map((one) => shown(one.name, one)),
  ];
  const waiting = waitingIn(published, drafts);
  const version = published?.timestamp.signed.version ?? null;
  const head = version === null ? 'Nothing has been published yet.' : `Version ${version} is published.`;
  const lines = [head, ...roles.flatMap((role) => describeRole(role, nowMs)), ...describeWaiting(folder, waiting)];
  return { version, roles, waiting, lines };
}

type Published = Awaited<ReturnType<typeof readPublished>>;
type Drafts = Awaited<ReturnType<typeof readPending>>;

function waitingIn(published: Published, drafts: Drafts): readonly Waiting[] {
  try {
    return resolveOffline(published, drafts).waiting;
  } catch (error) {
    if (!(error instanceof PublicationError) || error.code !== 'unsigned') throw error;
    // Nothing holds yet: all drafts wait.
    const root = drafts.get('root');
    const targets = drafts.get('targets');
    if (root === undefined || targets === undefined) return [];
    const authority = {
      root: readDocument<RootJson>(root.bytes, 'root'),
      targets: readDocument<TargetsJson>(targets.bytes, 'targets'),
    };
    return waitingFor({ ...authority, delegated: new Map() }, drafts);
  }
}

function describeRole({ role, threshold, keys, expires }: ShownRole, nowMs: number): string[] {
  const days = expires === null ? null : Math.floor((Date.parse(expires) - nowMs) / DAY_MS);
  const until =
    expires === null ? 'has signed nothing yet' : `valid until ${expires.slice(0, 10)}, ${days} days from now`;
  return [
    `${role}: ${threshold} of ${keys.length}; ${until}`,
    ...keys.map(({ id, isHere }) => `    ${shortId(id)}${isHere ? ' (on this machine)' : ''}`),
  ];
}
