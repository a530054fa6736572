// A process to be killed: opens a relay's folder, says so, and stays.
//   node lock-holder.ts FOLDER
import { writeSync } from 'node:fs';
import { openRelayFolder } from '../relay-folder.ts';

const folder = await openRelayFolder(process.argv[2] ?? '');
writeSync(1, 'open\n');
// Standard input keeps the process alive, and ends it with its parent.
process.stdin.on('end', () => folder.close());
process.stdin.resume();
