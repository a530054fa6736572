import type { BrandClient } from '../brand/brand-client.ts';
import type { Client } from '../client.ts';
import type { ClientFolder } from '../data-folder.ts';
import type { LinkedEntry } from '../entries.ts';

/** Where the entries of a client are, with the links that they came by. */
export interface EntrySource {
  /** Those that there are now. */
  entries(): readonly LinkedEntry[];
  /** Takes more of them into use, and keeps them for the next start. Rejects if they cannot be kept, and then nothing has changed. */
  add(entries: readonly LinkedEntry[]): Promise<void>;
}

/** Entries that a person gives. `folder`: where they are kept; null for nowhere. */
export function ownSource(
  client: Pick<Client, 'setEntries'>,
  entries: readonly LinkedEntry[],
  folder: Pick<ClientFolder, 'storeEntries'> | null,
): EntrySource {
  let current = entries;
  return {
    entries: () => current,
    add: async (more) => {
      const next = [...current, ...more];
      await folder?.storeEntries(next.map(({ link }) => link));
      client.setEntries(next.map(({ entry }) => entry));
      current = next;
    },
  };
}

/** The entries of a client that follows a publication. */
export function brandSource(client: Pick<BrandClient, 'addEntries' | 'linkedEntries'>): EntrySource {
  return {
    entries: () => client.linkedEntries(),
    add: async (more) => {
      await client.addEntries(more.map(({ link }) => link));
    },
  };
}
