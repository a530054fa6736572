import { PublicationError } from '../errors.ts';
import { METADATA, metadataFile, parseMetadataFile, TIMESTAMP_FILE } from '../layout.ts';
import {
  parseDocument,
  parseRoot,
  parseSnapshot,
  parseTargets,
  parseTimestamp,
  type RootJson,
  type SignedJson,
  type SnapshotJson,
  type TargetsJson,
  type TimestampJson,
} from '../metadata.ts';
import type { Storage } from '../storage/storage.ts';

/** A signed document, and what it says. */
export interface Document<T extends SignedJson = SignedJson> {
  readonly bytes: Buffer;
  readonly signed: T;
}

/** What is published now. */
export interface Published {
  readonly root: Document<RootJson>;
  readonly timestamp: Document<TimestampJson>;
  readonly snapshot: Document<SnapshotJson>;
  /** By role: `targets` and all that are delegated to. */
  readonly roles: ReadonlyMap<string, Document<TargetsJson>>;
}

const PARSERS = { root: parseRoot, targets: parseTargets, snapshot: parseSnapshot, timestamp: parseTimestamp } as const;

/** Takes a document apart whose form is as it should be, whoever has signed it. Throws a `PublicationError` (`malformed`). */
export function readDocument<T extends SignedJson>(bytes: Buffer, kind: T['_type']): Document<T> {
  const { signed } = parseDocument(bytes);
  if (signed._type !== kind) throw new PublicationError('malformed', `metadata of another type than ${kind}`);
  PARSERS[kind](bytes);
  return { bytes, signed: signed as T };
}

/** The newest root in a storage; null where there is none. */
export async function readRoot(storage: Storage): Promise<Document<RootJson> | null> {
  const versions = (await storage.list(METADATA))
    .map(({ name }) => parseMetadataFile(name))
    .flatMap((file) => (file?.role === 'root' ? [file.version] : []));
  if (versions.length === 0) return null;
  const bytes = await needed(storage, metadataFile('root', Math.max(...versions)));
  return readDocument<RootJson>(bytes, 'root');
}

/** What a storage holds; null where nothing was published. Throws a `PublicationError` (`storage`) where parts are missing. */
export async function readPublished(storage: Storage): Promise<Published | null> {
  const [root, timestampBytes] = await Promise.all([readRoot(storage), storage.read(TIMESTAMP_FILE)]);
  if (root === null || timestampBytes === null) return null;
  const timestamp = readDocument<TimestampJson>(timestampBytes, 'timestamp');
  const { version } = timestamp.signed.meta['snapshot.json'];
  const snapshot = readDocument<SnapshotJson>(await needed(storage, metadataFile('snapshot', version)), 'snapshot');
  const roles = await Promise.all(
    Object.entries(snapshot.signed.meta).map(async ([file, meta]) => {
      const role = file.replace(/\.json$/, '');
      const bytes = await needed(storage, metadataFile(role, meta.version));
      return [role, readDocument<TargetsJson>(bytes, 'targets')] as const;
    }),
  );
  return { root, timestamp, snapshot, roles: new Map(roles) };
}

async function needed(storage: Storage, name: string): Promise<Buffer> {
  const bytes = await storage.read(name);
  if (bytes !== null) return bytes;
  throw new PublicationError('storage', `the publication lacks a file: ${name}`, {
    remedy: 'Bring it back from a mirror or a backup.',
  });
}
