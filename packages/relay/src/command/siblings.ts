import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { entryValidity, ProtocolError } from '@rozan/protocol';
import { createEnv } from '@rozan/tunnel';
import { EXIT_CODE, ProgramError } from '@rozan/tunnel/program';
import { callControl } from '../control-socket/control-client.ts';
import { RelayError } from '../data-folder/relay-error.ts';
import { readRelayConfig } from '../data-folder/relay-folder.ts';
import {
  addSiblings,
  type ListedSibling,
  parseSiblings,
  readSiblings,
  removeSibling,
} from '../data-folder/sibling-list.ts';
import { readSettings } from '../enrolment/enrolment-file.ts';

/** Reads the entries in a file, or from standard input (`-`). Throws a `ProgramError` (usage) that quotes nothing of them. */
async function readSource(source: string): Promise<ListedSibling[]> {
  const remedy = 'Name a file with the rozan:// link of the other relay, or - to read it from standard input.';
  try {
    return parseSiblings(
      source === '-' ? (await buffer(process.stdin)).toString('utf8') : await readFile(source, 'utf8'),
    );
  } catch (cause) {
    const isEntry = cause instanceof ProtocolError;
    const message = isEntry ? `not a server entry: ${cause.message}` : 'the file could not be read';
    throw new ProgramError(EXIT_CODE.usage, `siblings add: ${message}`, { cause, remedy });
  }
}

/** Has the relay that runs on a folder, if one does, take the list as it is now; says which. */
async function applyNow(folder: string): Promise<string> {
  try {
    await callControl(createEnv({ log: () => {} }), { folder, command: 'siblings' });
    return 'The relay that runs here knows it.';
  } catch (error) {
    if (error instanceof RelayError && error.code === 'not-running') return 'The relay takes it up when it starts.';
    throw error;
  }
}

/** A list of one's own would be forgotten at the next start, and the other relay would not know. Throws a `RelayError` (`enrolled`, those of the folder). */
async function expectOwnList(folder: string): Promise<void> {
  if ((await readSettings(resolve(folder))) === null) return;
  throw new RelayError('enrolled', 'this relay belongs to a network, whose control plane says who its siblings are', {
    remedy:
      'Nothing has changed. A relay gets its siblings there when an operator puts it into service ("rozan control relay serve NAME"), and loses them when it is drained.',
  });
}

/** `relay siblings add`; returns what to print. Throws a `ProgramError` or a `RelayError`. */
export async function addSiblingsFrom(folder: string, source: string): Promise<string> {
  await expectOwnList(folder);
  const added = await readSource(source);
  if (added.length === 0) throw new ProgramError(EXIT_CODE.usage, 'siblings add: there is no server entry in it');
  await addSiblings(folder, added);
  const ids = added.map(({ entry }) => entry.relay).join(', ');
  return `Added ${ids}. The other relay has to add this one, too. ${await applyNow(folder)}`;
}

/** `relay siblings remove`; returns what to print. Throws a `RelayError`. */
export async function dropSibling(folder: string, id: string): Promise<string> {
  await expectOwnList(folder);
  await removeSibling(folder, id);
  return `Removed ${id}. ${await applyNow(folder)}`;
}

/** `relay siblings list`; returns what to print, without addresses and secrets. Throws a `RelayError`. */
export async function listSiblings(folder: string, json: boolean): Promise<string> {
  await readRelayConfig(folder); // whether there is a relay at all
  const nowMs = createEnv({ log: () => {} }).clock.wallMs();
  const path = resolve(folder);
  const told = await readSettings(path);
  const entries = told?.siblings ?? (await readSiblings(path)).map(({ entry }) => entry);
  const siblings = entries.map((entry) => ({
    relay: entry.relay,
    transports: entry.transports.map(({ transport }) => transport),
    channel: entry.channel ?? null,
    region: entry.region ?? null,
    validity: entryValidity(entry, nowMs),
  }));
  if (json) return JSON.stringify(siblings);
  if (siblings.length === 0) return 'No siblings.';
  return siblings
    .map(({ relay, transports, validity }) => `${relay}  ${transports.join(', ')}  ${validity}`)
    .join('\n');
}
