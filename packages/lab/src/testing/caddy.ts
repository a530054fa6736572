import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createEnv } from '@rozan/tunnel';
import { findCommand } from './tools.ts';

const START_MS = 30_000;
const POLL_MS = 20;

/** What `startCaddy` is told. */
export interface CaddyOptions {
  readonly port: number;
  /** The address of its one site, as in `https://www.example.org`, without a port. */
  readonly site: string;
  /** Lines of that site. */
  readonly lines: readonly string[];
}

/** Starts Debian's Caddy in the foreground with all its files in `folder`, and waits until it answers. It asks no authority for anything. */
export async function startCaddy(folder: string, { port, site, lines }: CaddyOptions): Promise<AsyncDisposable> {
  const config = [
    `{\nadmin off\nauto_https off\nstorage file_system ${join(folder, 'caddy')}\n}`,
    `${site}:${port} {\nbind 127.0.0.1`,
    ...lines,
    '}',
  ];
  await writeFile(join(folder, 'Caddyfile'), `${config.join('\n')}\n`);
  const child = spawn(
    findCommand('caddy') ?? 'caddy',
    ['run', '--config', join(folder, 'Caddyfile'), '--adapter', 'caddyfile'],
    {
      env: { PATH: process.env.PATH ?? '', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const ended = once(child, 'exit');
  const { network } = createEnv({ log: () => {} });
  const patience = AbortSignal.timeout(START_MS);
  for (;;) {
    const conn = await network.dial({ host: '127.0.0.1', port }).catch(() => null);
    conn?.destroy();
    if (conn !== null) break;
    if (child.exitCode !== null || patience.aborted) throw new Error(`caddy does not start: ${said}`);
    await pause(POLL_MS);
  }
  return {
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
