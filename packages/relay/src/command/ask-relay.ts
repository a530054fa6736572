import { createEnv } from '@rozan/tunnel';
import { callControl } from '../control-socket/control-client.ts';
import { readRelayConfig } from '../data-folder/relay-folder.ts';
import { createEntryLink } from '../server-entry.ts';

const LABELS: readonly (readonly [key: string, label: string])[] = [
  ['sessions', 'sessions'],
  ['sessionsByWorker', '… of each worker'],
  ['detachedSessions', '… of them without a carrier'],
  ['streams', 'streams'],
  ['strangers', 'strangers held'],
  ['forwarded', 'carriers forwarded'],
  ['heldBytes', 'bytes held for sessions'],
  ['draining', 'draining'],
];

/** Has the relay that runs on a folder do something; returns what to print. Throws a `RelayError`. */
export async function askRelay(folder: string, command: 'drain' | 'status', json: boolean): Promise<string> {
  await readRelayConfig(folder); // whether there is a relay at all
  const env = createEnv({ log: () => {} });
  const result = await callControl(env, { folder, command });
  if (json) return JSON.stringify(result);
  if (command === 'drain') return 'The relay drains: it takes no new sessions, and what runs goes on.';
  return LABELS.filter(([key]) => key in result)
    .map(([key, label]) => `${label.padEnd(30)}${result[key]}`)
    .join('\n');
}

/** The entry of a relay's channel again, whether the relay runs or not. Throws a `RelayError` or a `TunnelError`. */
export async function readEntryLink(folder: string, channelId: string): Promise<string> {
  return createEntryLink(await readRelayConfig(folder), channelId, createEnv({ log: () => {} }).clock.wallMs());
}
