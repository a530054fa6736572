import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Env } from '@rozan/tunnel';
import { PublicationError } from '../errors.ts';
import { createKeyFile, readKeyFile } from '../key-file.ts';
import type { PublicKey } from '../keys.ts';
import { OFFLINE_KEYS, OFFLINE_THRESHOLD } from '../limits.ts';
import { readPending } from '../make/pending.ts';
import { draftFirst, type RoleKeys } from '../make/propose.ts';
import { addSignature } from '../metadata.ts';
import { OFFLINE_ROLES, ONLINE_ROLES } from '../roles.ts';
import type { StateFolder } from './state-folder.ts';

/** Keys of people: those that are given, or new ones in a folder, sealed by a passphrase where there is one. */
export type OfflineKeys =
  | { readonly given: Readonly<Record<string, readonly PublicKey[]>> }
  | { readonly folder: string; readonly passphrase?: string | undefined };

/**
 * Begins a publication: draws the keys of the online roles, and drafts the first documents. With new offline keys these are signed at once: for a
 * network of one person. Gives the keys of all roles. Throws a `PublicationError` (`conflict`) where there is a publication already.
 */
export async function beginPublication(
  env: Pick<Env, 'clock' | 'random'>,
  folder: StateFolder,
  offline: OfflineKeys,
): Promise<RoleKeys> {
  await expectEmpty(folder);
  const ofPeople = 'given' in offline ? offline.given : await drawOffline(env, offline);
  const ofMachine: [string, PublicKey[]][] = [];
  for (const role of ONLINE_ROLES) ofMachine.push([role, [await folder.drawOnlineKey(env, role)]]);
  const keys = { ...ofPeople, ...Object.fromEntries(ofMachine) } as unknown as RoleKeys;
  await draftFirst(folder, keys, env.clock.wallMs());
  if (!('given' in offline)) await signAll(folder, offline);
  return keys;
}

/** Keys that were drawn for a publication which could not begin would lie about. */
async function expectEmpty(folder: StateFolder): Promise<void> {
  const [published, pending] = [await folder.storage.list(''), await folder.pending.list('')];
  if (published.length + pending.length === 0) return;
  throw new PublicationError('conflict', `there is a publication in ${folder.path} already`, {
    remedy: 'Take another folder; keys are replaced by `rozan keys rotate`.',
  });
}

interface NewKeys {
  readonly folder: string;
  readonly passphrase?: string | undefined;
}

async function drawOffline(env: Pick<Env, 'random'>, { folder, passphrase }: NewKeys) {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const drawn: Record<string, PublicKey[]> = {};
  for (const role of OFFLINE_ROLES) {
    const list: PublicKey[] = [];
    for (let number = 1; number <= OFFLINE_KEYS; number++) {
      list.push(await createKeyFile(env.random, join(folder, `${role}-${number}.key`), { role, passphrase }));
    }
    drawn[role] = list;
  }
  return drawn;
}

async function signAll(folder: StateFolder, { folder: offline, passphrase }: NewKeys): Promise<void> {
  for (const [role, { bytes, signed }] of await readPending(folder.pending)) {
    let all = bytes;
    for (let number = 1; number <= OFFLINE_THRESHOLD; number++) {
      all = addSignature(all, await readKeyFile(join(offline, `${role}-${number}.key`), passphrase));
    }
    await folder.pending.write(`${signed.version}.${role}.json`, all);
  }
}
