import { join } from 'node:path';
import { encodeBase64url, type ServerEntryFields, signerOf, signServerEntry } from '@rozan/protocol';
import type { Random } from '@rozan/tunnel';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { ControlError } from '../control-error.ts';
import { type Database, sql } from '../database/database.ts';

/** The file in a data folder with the network's private entry key, and its length. */
export const ENTRY_KEY_FILE = 'entry-key';
export const ENTRY_KEY_BYTES = 32;

/** Signs server entries with the network's entry key. */
export interface EntrySigner {
  /** The public key, base64url. */
  readonly publicKey: string;
  sign(fields: ServerEntryFields): Buffer;
}

/** A signer with this private key: an Ed25519 seed of 32 bytes. */
export function createEntrySigner(privateKey: Buffer): EntrySigner {
  return {
    publicKey: encodeBase64url(signerOf(privateKey)),
    sign: (fields) => signServerEntry(fields, privateKey),
  };
}

/**
 * Opens the entry key in a data folder, and makes one for a network that has none. Of several control planes over one database each needs a copy of the
 * file. Throws `entry-key` where the folder has another key than the network, or none.
 */
export async function openEntrySigner(
  random: Random,
  options: { readonly folder: string; readonly database: Database },
): Promise<EntrySigner> {
  const path = join(options.folder, ENTRY_KEY_FILE);
  const found = await readPrivateFile(path, ENTRY_KEY_BYTES);
  const privateKey = found ?? random.bytes(ENTRY_KEY_BYTES);
  const signer = createEntrySigner(privateKey);
  return options.database.transaction(async (queries) => {
    const row = await queries.first<{ entry_key: Buffer | null }>(sql`select entry_key from network for update`);
    const known = row?.entry_key ?? null;
    if (known !== null && !known.equals(signerOf(privateKey))) {
      throw new ControlError('entry-key', 'this folder does not hold the entry key of the network in the database', {
        remedy: `Copy the file ${ENTRY_KEY_FILE} here from the control plane that has made the network, mode 0600.`,
      });
    }
    // The file comes first: a network never names a key that nobody has.
    if (found === null) await writeFileAtomically(path, privateKey);
    if (known === null) await queries.run(sql`update network set entry_key = ${signerOf(privateKey)}`);
    return signer;
  });
}
