// The server that does nothing as a program of its own; it ends with its parent.
import { createEnv } from '@rozan/tunnel';
import { openDatabase } from '../database/database.ts';
import { serveNothing } from './empty-server.ts';

const env = createEnv({ log: () => {} });
// Nobody connects to it.
const { address } = await serveNothing(env, openDatabase({}, env.log));
process.stdout.write(`${JSON.stringify({ event: 'ready', listen: `127.0.0.1:${address.port}` })}\n`);
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.resume();
