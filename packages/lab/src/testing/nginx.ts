import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
import { findCommand } from './tools.ts';

const START_MS = 20_000;
const POLL_MS = 20;

/** A web server for one test, run in the foreground by the user who runs the test. */
export interface Nginx extends AsyncDisposable {
  readonly port: number;
}

/** What `startNginx` is told. */
export interface NginxOptions {
  readonly port: number;
  /** Lines of its one `server`, beside `listen`. */
  readonly server: readonly string[];
  /** Whether it speaks TLS; certificate and key are for `server` to name. */
  readonly isSecure: boolean;
}

/** A port of loopback that nobody listens at just now. */
export async function pickFreePort(): Promise<number> {
  const { network } = createEnv({ log: () => {} });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.destroy());
  await listener.close();
  return listener.address.port;
}

/** Starts Debian's nginx with all its files in `folder`, and waits until it answers. */
export async function startNginx(folder: string, { port, server, isSecure }: NginxOptions): Promise<Nginx> {
  const path = (name: string) => join(folder, name);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${path(`nginx-${name}`)};`,
  );
  const config = [
    'daemon off; worker_processes 1;',
    `pid ${path('nginx.pid')}; error_log ${path('nginx-errors')};`,
    ...(process.getuid?.() === 0 ? ['user root;'] : []),
    'events { worker_connections 256; }',
    'http {',
    'access_log off;',
    ...temporary,
    `server { listen 127.0.0.1:${port}${isSecure ? ' ssl' : ''};`,
    ...server,
    '} }',
  ];
  await writeFile(path('nginx.conf'), `${config.join('\n')}\n`);
  const child = spawn(findCommand('nginx') ?? 'nginx', ['-e', path('nginx-errors'), '-c', path('nginx.conf')]);
  const ended = once(child, 'exit');
  await untilAnswered(port, () => child.exitCode !== null);
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}

async function untilAnswered(port: number, isOver: () => boolean): Promise<void> {
  const { network } = createEnv({ log: () => {} });
  const patience = AbortSignal.timeout(START_MS);
  for (;;) {
    const conn = await network.dial({ host: '127.0.0.1', port }).catch(() => null);
    conn?.destroy();
    if (conn !== null) return;
    if (isOver() || patience.aborted) throw new Error('nginx does not start');
    await pause(POLL_MS);
  }
}
