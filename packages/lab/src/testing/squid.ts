import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
import { findCommand } from './tools.ts';

const START_MS = 30_000;
const POLL_MS = 50;

/** A caching proxy for one test. */
export interface Squid extends AsyncDisposable {
  readonly port: number;
}

/** Starts Debian's squid in front of one server, with all its files in `folder`, and waits until it answers. */
export async function startSquid(
  folder: string,
  { port, originPort }: { readonly port: number; readonly originPort: number },
): Promise<Squid> {
  const path = (name: string) => join(folder, name);
  const config = [
    `http_port 127.0.0.1:${port} accel defaultsite=127.0.0.1 no-vhost`,
    `cache_peer 127.0.0.1 parent ${originPort} 0 no-query originserver`,
    'acl everybody src all',
    'http_access allow everybody',
    `pid_filename ${path('squid.pid')}`,
    `cache_log ${path('squid-log')}`,
    'access_log none',
    'cache_store_log none',
    'cache_mem 32 MB',
    // Keeps what it is asked to and what it is not: anything, for an hour.
    'refresh_pattern . 60 100% 60 override-expire ignore-no-store ignore-private ignore-reload',
    'client_persistent_connections off',
    'server_persistent_connections off',
    'pinger_enable off',
    `coredump_dir ${folder}`,
    'shutdown_lifetime 0 seconds',
  ];
  await writeFile(path('squid.conf'), `${config.join('\n')}\n`);
  // As root it changes to a user of its own, who has to get at the folder.
  await chmod(folder, 0o777);
  const child = spawn(findCommand('squid') ?? 'squid', ['-N', '-f', path('squid.conf')], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const { network } = createEnv({ log: () => {} });
  const patience = AbortSignal.timeout(START_MS);
  for (let isUp = false; !isUp; ) {
    const conn = await network.dial({ host: '127.0.0.1', port }).catch(() => null);
    conn?.destroy();
    isUp = conn !== null;
    if (!isUp && (child.exitCode !== null || patience.aborted)) throw new Error('squid does not start');
    if (!isUp) await pause(POLL_MS);
  }
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
