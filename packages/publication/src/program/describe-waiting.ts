import type { Waiting } from '../make/pending.ts';
import { shortId } from './describe-document.ts';
import type { StateFolder } from './state-folder.ts';

/** What waits for whom, a few lines for each document. */
export function describeWaiting(folder: StateFolder, waiting: readonly Waiting[]): string[] {
  return waiting.flatMap(({ role, version, file, needs }) => [
    `${role}, version ${version}, waits for signatures: ${folder.pendingPath(file)}`,
    ...needs.map(({ by, threshold, keyids, signed }) => {
      const missing = Math.max(0, threshold - signed.length);
      const whose = by === 'role' ? '' : ' of the root before';
      const who = keyids.filter((id) => !signed.includes(id)).map(shortId);
      return missing === 0
        ? `  keys${whose}: enough have signed`
        : `  keys${whose}: ${missing} more of ${who.join(', ')}`;
    }),
  ]);
}
