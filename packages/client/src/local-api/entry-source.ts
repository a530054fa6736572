import type { BrandClient } from '../brand/brand-client.ts';
import type { Client } from '../client.ts';
import type { ClientFolder } from '../data-folder.ts';
import type { LinkedEntry } from '../entries.ts';
import { MAX_ENTRIES } from '../limits.ts';

/** Where the entries of a client are, with the links that they came by. */
export interface EntrySource {
  /** Those that there are now. */
  entries(): readonly LinkedEntry[];
  /** How many more there is room for. */
  room(): number;
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
    room: () => MAX_ENTRIES - current.length,
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
    // What a person gives takes the place of what the network gave.
    room: () => MAX_ENTRIES,
    add: async (more) => {
      await client.addEntries(more.map(({ link }) => link));
    },
  };
}
