import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createEnv } from '@rozan/tunnel';
import { findCommand, needs, runTool } from './tools.ts';

const START_MS = 20_000;

/** An SSH server for one test, at a port of its own. */
export interface SshServer extends AsyncDisposable {
  readonly port: number;
  /** Options with which `ssh` gets in as the user who runs the test. */
  readonly clientOptions: readonly string[];
}

async function makeKey(path: string): Promise<string> {
  const { code, err } = await runTool('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path]);
  assert.equal(code, 0, err);
  return path;
}

async function freePort(): Promise<number> {
  const { network } = createEnv({ log: () => {} });
  const listener = await network.listen({ host: '127.0.0.1', port: 0 }, (conn) => conn.destroy());
  await listener.close();
  return listener.address.port;
}

/** What a test with an SSH server of its own needs, beside these commands. */
export function needsSshServer(...commands: readonly string[]): { readonly skip?: string } {
  if (process.getuid?.() !== 0) return { skip: 'an SSH server of its own needs root' };
  return needs('sshd', 'ssh-keygen', ...commands);
}

/** Starts sshd as `opaque` imitates it with the prefix `ssh`. */
export function startHardenedSshServer(folder: string): Promise<SshServer> {
  return startSshServer(folder, [
    'KexAlgorithms curve25519-sha256,curve25519-sha256@libssh.org',
    'Ciphers aes256-ctr,aes192-ctr,aes128-ctr',
    'MACs hmac-sha2-512,hmac-sha2-256',
    'HostKeyAlgorithms ssh-ed25519',
  ]);
}

/** Starts sshd with keys and a configuration in `folder`. It wants the user to be root. */
export async function startSshServer(folder: string, settings: readonly string[] = []): Promise<SshServer> {
  const hostKey = await makeKey(join(folder, 'host-key'));
  const userKey = await makeKey(join(folder, 'user-key'));
  const { out } = await runTool('ssh-keygen', ['-y', '-f', userKey]);
  await writeFile(join(folder, 'authorized'), out, { mode: 0o600 });
  const port = await freePort();
  const config = join(folder, 'sshd-config');
  const lines = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    `HostKey ${hostKey}`,
    `AuthorizedKeysFile ${join(folder, 'authorized')}`,
    'PermitRootLogin prohibit-password',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'UsePAM no',
    'StrictModes no',
    'PidFile none',
    ...settings,
  ];
  await writeFile(config, `${lines.join('\n')}\n`);
  // Where Debian's sshd confines its unprivileged half; a service would have made it.
  await mkdir('/run/sshd', { recursive: true });
  const child = spawn(findCommand('sshd') ?? 'sshd', ['-D', '-e', '-f', config]);
  const said: string[] = [];
  const ended = once(child, 'exit');
  await new Promise<void>((resolve, reject) => {
    const onFailure = () => reject(new Error(`sshd does not start: ${said.join('\n')}`));
    setTimeout(onFailure, START_MS).unref();
    child.once('exit', onFailure);
    createInterface({ input: child.stderr }).on('line', (line) => {
      said.push(line);
      if (line.includes('Server listening')) resolve();
    });
  });
  const clientOptions = [
    ...['-F', 'none', '-i', userKey, '-p', String(port)],
    ...['IdentitiesOnly=yes', 'BatchMode=yes', 'StrictHostKeyChecking=no', 'LogLevel=ERROR', 'ConnectTimeout=20'],
    `UserKnownHostsFile=${join(folder, 'known-hosts')}`,
  ].flatMap((text) => (text.includes('=') ? ['-o', text] : [text]));
  return {
    port,
    clientOptions,
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
