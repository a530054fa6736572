import { homedir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../system-proxy/run-command.ts';
import { desktopEntry, launchAgent, loginFile } from './login-file.ts';
import type { LoginItem } from './login-item.ts';
import { loginRunKey } from './login-run-key.ts';

/** Where this machine starts things at login; null where there is no desktop. */
export function findLoginItem(platform: NodeJS.Platform, env: NodeJS.ProcessEnv, name: string): LoginItem | null {
  if (platform === 'win32') return loginRunKey(runCommand, name);
  if (platform === 'darwin') {
    return loginFile(join(homedir(), 'Library', 'LaunchAgents', `${name}.plist`), (command) =>
      launchAgent(command, name),
    );
  }
  if (!env.XDG_CURRENT_DESKTOP) return null;
  const config = env.XDG_CONFIG_HOME || join(homedir(), '.config');
  return loginFile(join(config, 'autostart', `${name}.desktop`), desktopEntry);
}
