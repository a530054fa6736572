import { METADATA, metadataFile, parseMetadataFile, TARGETS, TIMESTAMP_FILE, targetFile } from '../layout.ts';
import type { SignedJson, TargetsJson } from '../metadata.ts';
import type { Storage } from '../storage/storage.ts';
import type { Document, Published } from './documents.ts';
import { listCustom } from './network-part.ts';

/** The names of all files that belong to a publication (roots before the present one apart), or that a draft refers to. */
export function fileNamesOf(from: Published | { readonly signed: SignedJson }): string[] {
  if ('signed' in from) return 'targets' in from.signed ? targetNames(from.signed as TargetsJson) : [];
  const { root, snapshot, roles } = from;
  const metadata = [...roles].map(([role, { signed }]) => metadataFile(role, signed.version));
  const targets = [...roles.values()].flatMap(({ signed }: Document<TargetsJson>) => targetNames(signed));
  return [
    TIMESTAMP_FILE,
    metadataFile('root', root.signed.version),
    metadataFile('snapshot', snapshot.signed.version),
    ...metadata,
    ...targets,
  ];
}

/** Removes files that nothing needs and that are older than a time (ms since 1970). Roots stay for ever. Returns how many it has removed. */
export async function removeUnreferenced(
  storage: Storage,
  { keep, beforeMs }: { readonly keep: ReadonlySet<string>; readonly beforeMs: number },
): Promise<number> {
  const files = [...(await storage.list(METADATA)), ...(await storage.list(TARGETS))];
  const useless = files.filter(
    ({ name, writtenMs }) => !keep.has(name) && writtenMs < beforeMs && parseMetadataFile(name)?.role !== 'root',
  );
  for (const { name } of useless) await storage.remove(name);
  return useless.length;
}

function targetNames({ targets }: TargetsJson): string[] {
  return Object.entries(targets).flatMap(([path, target]) => [
    targetFile(path, target.hashes.sha256),
    ...listCustom(target).deltas.map(({ sha256 }) => targetFile(path, sha256)),
  ]);
}
