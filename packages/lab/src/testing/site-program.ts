// The lab's site as a program of its own, for a namespace: `site-program.ts HOST`. Says where it listens.
import { createEnv, formatAddress } from '@rozan/tunnel';
import { startLabSite } from '../board/site.ts';

const { address } = await startLabSite(createEnv({ log: () => {} }), process.argv[2]);
process.stdout.write(`site ${formatAddress(address)}\n`);
