import { join } from 'node:path';
import {
  formatShareLink,
  keyPairOf,
  ProtocolError,
  parseEntryText,
  parseServerEntry,
  relayId,
  type ServerEntry,
} from '@rozan/protocol';
import { readPrivateFile, writeFileAtomically } from '@rozan/tunnel/data-folder';
import { CONFIG_BOUNDS, FORWARD_BOUNDS } from '../limits/constants.ts';
import { RelayError } from './relay-error.ts';
import { readRelayConfig } from './relay-folder.ts';

const LIST_FILE = 'siblings';

/** A sibling and the link that it was given by, which keeps its signature. */
export interface ListedSibling {
  readonly entry: ServerEntry;
  readonly link: string;
}

/** Reads links, one per sibling: of two entries of one relay the later one counts. Throws a `ProtocolError`. */
export function parseSiblings(text: string): ListedSibling[] {
  if (text.trim() === '') return [];
  const listed = new Map<string, ListedSibling>();
  for (const bytes of parseEntryText(text)) {
    const { entry } = parseServerEntry(bytes);
    listed.set(entry.relay, { entry, link: formatShareLink(bytes) });
  }
  return [...listed.values()];
}

/** The siblings of the relay in a folder; none if nothing was added. Throws a `RelayError` that quotes nothing of the file. */
export async function readSiblings(folder: string): Promise<readonly ListedSibling[]> {
  const bytes = await readPrivateFile(join(folder, LIST_FILE), CONFIG_BOUNDS.fileBytes);
  if (bytes === null) return [];
  try {
    return parseSiblings(bytes.toString('utf8')).slice(0, FORWARD_BOUNDS.siblings);
  } catch (cause) {
    if (!(cause instanceof ProtocolError)) throw cause;
    throw new RelayError('folder-broken', `the list of siblings holds what is no server entry: ${cause.message}`, {
      remedy: `delete the file ${LIST_FILE} in the folder, and add the siblings again`,
    });
  }
}

async function writeSiblings(folder: string, siblings: readonly ListedSibling[]): Promise<void> {
  await writeFileAtomically(join(folder, LIST_FILE), siblings.map(({ link }) => `${link}\n`).join(''));
}

/** Adds siblings, or replaces what was known of them. Throws a `RelayError`: `siblings-own`, `siblings-full`, those of the folder. */
export async function addSiblings(folder: string, added: readonly ListedSibling[]): Promise<void> {
  const own = relayId(keyPairOf((await readRelayConfig(folder)).staticKey).publicKey);
  if (added.some(({ entry }) => entry.relay === own)) {
    throw new RelayError('siblings-own', 'that is the entry of this relay itself', {
      remedy: 'add the entry of the other relay here, and the entry of this one there',
    });
  }
  const news = new Map(added.map((sibling) => [sibling.entry.relay, sibling]));
  const kept = (await readSiblings(folder)).filter(({ entry }) => !news.has(entry.relay));
  const siblings = [...kept, ...news.values()];
  if (siblings.length > FORWARD_BOUNDS.siblings) {
    throw new RelayError('siblings-full', `a relay has at most ${FORWARD_BOUNDS.siblings} siblings`, {
      remedy: 'remove one first',
    });
  }
  await writeSiblings(folder, siblings);
}

/** Removes a sibling by its relay id. Throws a `RelayError` (`siblings-unknown`). */
export async function removeSibling(folder: string, id: string): Promise<void> {
  await readRelayConfig(folder); // whether there is a relay at all
  const siblings = await readSiblings(folder);
  const kept = siblings.filter(({ entry }) => entry.relay !== id);
  if (kept.length === siblings.length) {
    throw new RelayError('siblings-unknown', 'no sibling has that id', {
      remedy: 'see "rozan relay siblings list" for the ids',
    });
  }
  await writeSiblings(folder, kept);
}
