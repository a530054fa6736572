// A process to be killed: appends handshakes and prints the number of each one that is acknowledged. Rewrites the file now and then.
//   node replay-writer.ts PATH FIRST
import { writeSync } from 'node:fs';
import type { ReplayEntry } from '@rozan/protocol';
import { openReplayFile } from '../replay-file.ts';
import { entryOf } from './replay-entry.ts';

const [path = '', first = '0'] = process.argv.slice(2);
const memory: ReplayEntry[] = [];
const file = await openReplayFile(path, {
  memory: {
    restore: (entries) => void memory.push(...entries),
    persistent: () => memory,
  },
  nowMs: 0,
});
for (let number = Number(first); ; number += 4) {
  const batch = [number, number + 1, number + 2, number + 3];
  const appended = batch.map(async (each) => {
    const entry = entryOf(each);
    memory.push(entry);
    await file.append(entry);
    writeSync(1, `${each}\n`);
  });
  if (number % 40 === 0) appended.push(file.compact());
  await Promise.all(appended);
}
