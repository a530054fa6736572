import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createEnv } from '@rozan/tunnel';
import { findCommand, runTool } from './tools.ts';

/** A QUIC server (ngtcp2's) that serves the files of a folder. */
export interface QuicServer extends AsyncDisposable {
  readonly port: number;
}

/** A port of loopback that no UDP socket has at this moment. */
async function freeUdpPort(): Promise<number> {
  const { network } = createEnv({ log: () => {} });
  const socket = await network.bindDatagrams({ host: '127.0.0.1', port: 0 }, () => {});
  socket.close();
  return socket.address.port;
}

/** Starts a server with a key and a certificate of its own, in `folder`, for the files in `root`. */
export async function startQuicServer(folder: string, root: string): Promise<QuicServer> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const made = await runTool('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=localhost', '-keyout', key, '-out', certificate],
  ]);
  if (made.code !== 0) throw new Error(made.err);
  const port = await freeUdpPort();
  const command = findCommand('gtlsserver') ?? 'gtlsserver';
  const args = ['--quiet', '127.0.0.1', String(port), key, certificate, '--htdocs', root];
  const child: ChildProcess = spawn(command, args, { stdio: 'ignore' });
  await once(child, 'spawn');
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}
