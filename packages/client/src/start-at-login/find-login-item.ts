import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { formatAddress } from '@rozan/tunnel';
import type { ClientArguments } from '../config.ts';
import { ClientFolder } from '../data-folder.ts';
import { runCommand } from '../system-proxy/run-command.ts';
import { desktopEntry, launchAgent, loginFile } from './login-file.ts';
import type { LoginItem } from './login-item.ts';
import { loginRunKey } from './login-run-key.ts';

const PROGRAM = resolve(import.meta.dirname, '../../../../bin/rozan.mjs');

/** What of the command line is said again at login. */
type LoginArguments = Pick<ClientArguments, 'ui' | 'dataFolder' | 'socks' | 'http' | 'saidProxies'>;

/** Where this machine starts things at login; null where there is no desktop. */
export function findLoginItem(platform: NodeJS.Platform, env: NodeJS.ProcessEnv): LoginItem | null {
  if (platform === 'win32') return loginRunKey(runCommand);
  if (platform === 'darwin') {
    return loginFile(join(homedir(), 'Library', 'LaunchAgents', 'org.rozan.client.plist'), launchAgent);
  }
  if (!env.XDG_CURRENT_DESKTOP) return null;
  const config = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return loginFile(join(config, 'autostart', 'org.rozan.client.desktop'), desktopEntry);
}

/** The command that starts this client again. What was learnt and given is in its folder; the rest is said anew. */
export function loginCommand({ ui, dataFolder, socks, http, saidProxies }: LoginArguments): readonly string[] {
  const proxies = [
    ...(saidProxies.has('socks') ? ['--socks', formatAddress(socks)] : []),
    ...(saidProxies.has('http') ? ['--http', formatAddress(http)] : []),
  ];
  return [
    process.execPath,
    PROGRAM,
    'client',
    ...['--ui', ui === null ? '127.0.0.1:7777' : formatAddress(ui)],
    ...['--data', resolve(dataFolder ?? ClientFolder.usualPath())],
    ...proxies,
  ];
}
