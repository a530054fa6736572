// Names of a publication's files (TUF specification §6.2, consistent snapshots; docs/spec/publication.md §3).
import { posix } from 'node:path';

export const METADATA = 'metadata/';
export const TARGETS = 'targets/';
export const TIMESTAMP_FILE: string = `${METADATA}timestamp.json`;

/** The file of a role's metadata. `timestamp` alone has no version in its name. */
export function metadataFile(role: string, version: number): string {
  return `${METADATA}${version}.${role}.json`;
}

/** The role and version that a file of metadata has by its name; null for another name. */
export function parseMetadataFile(name: string): { readonly role: string; readonly version: number } | null {
  const [, version, role] = /^([1-9][0-9]{0,14})\.([a-z0-9-]{1,64})\.json$/.exec(posix.basename(name)) ?? [];
  return version === undefined || role === undefined ? null : { role, version: Number(version) };
}

/** The file of a target: the hash stands before the last part of its path. */
export function targetFile(path: string, hash: string): string {
  const { dir, base } = posix.parse(path);
  return `${TARGETS}${dir}/${hash}.${base}`;
}
