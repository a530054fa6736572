import type { Log } from '@rozan/tunnel';
import type { ClientFolder } from '../data-folder.ts';
import type { Desktop } from './desktop.ts';
import { gnome } from './gnome.ts';
import { kde } from './kde.ts';
import { macos } from './macos.ts';
import { runCommand } from './run-command.ts';
import { SystemProxy } from './system-proxy.ts';
import { windows } from './windows.ts';

/** Those of the session that this process runs in; none outside of one. `session` as in `XDG_CURRENT_DESKTOP`. */
function desktopsOf(platform: NodeJS.Platform, session: string): readonly Desktop[] {
  if (platform === 'darwin') return [macos];
  if (platform === 'win32') return [windows];
  if (session === '') return [];
  return /\bkde\b/i.test(session) ? [kde(6), kde(5)] : [gnome];
}

/** The proxy settings of this machine, which are put right should a run before have left them. */
export async function openSystemProxy(folder: Pick<ClientFolder, 'systemProxy'>, log: Log): Promise<SystemProxy> {
  const desktops = desktopsOf(process.platform, process.env.XDG_CURRENT_DESKTOP ?? '');
  return await SystemProxy.open({ run: runCommand, desktops, file: folder.systemProxy, log });
}
