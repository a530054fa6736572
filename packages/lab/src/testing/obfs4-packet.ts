import { spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { createEnv } from '@rozan/tunnel';
import { readExactly } from '@rozan/tunnel/testing';
import { createScratchFolder } from '../world.ts';
import { findCommand } from './tools.ts';

const START_MS = 15_000;

/** The first packet that Debian's obfs4proxy sends to a bridge, which here is a listener that says nothing. */
export async function firstPacketOfObfs4(): Promise<Buffer> {
  await using stack = new AsyncDisposableStack();
  const { path } = stack.use(await createScratchFolder());
  const { network } = createEnv({ log: () => {} });
  const first = Promise.withResolvers<Buffer>();
  const bridge = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => {
    conn.once('data', (bytes: Buffer) => {
      first.resolve(bytes.subarray(0, 1448));
      conn.destroy();
    });
    conn.resume();
  });
  stack.defer(() => bridge.close());
  const env = {
    PATH: process.env.PATH ?? '',
    TOR_PT_MANAGED_TRANSPORT_VER: '1',
    TOR_PT_STATE_LOCATION: path,
    TOR_PT_CLIENT_TRANSPORTS: 'obfs4',
  };
  const child = spawn(findCommand('obfs4proxy') ?? 'obfs4proxy', [], { env, timeout: START_MS, killSignal: 'SIGKILL' });
  stack.defer(() => void child.kill('SIGKILL'));
  const port = await new Promise<number>((resolve, reject) => {
    child.once('exit', () => reject(new Error('obfs4proxy has ended')));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = /^CMETHOD obfs4 socks5 127\.0\.0\.1:(\d+)/.exec(line);
      if (found !== null) resolve(Number(found[1]));
    });
  });
  const { publicKey } = generateKeyPairSync('x25519');
  const node = Buffer.concat([randomBytes(20), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  const args = Buffer.from(`cert=${node.toString('base64').replace(/=+$/, '')};iat-mode=0`);
  const conn = await network.dial({ host: '127.0.0.1', port });
  stack.defer(() => void conn.destroy());
  conn.write(Buffer.of(5, 1, 2));
  await readExactly(conn, 2);
  conn.write(Buffer.concat([Buffer.of(1, args.length), args, Buffer.of(1, 0)]));
  await readExactly(conn, 2);
  conn.write(Buffer.of(5, 1, 0, 1, 127, 0, 0, 1, bridge.address.port >> 8, bridge.address.port & 0xff));
  return await first.promise;
}
