import type { Log } from '@rozan/tunnel';
import type { ClientFolder } from '../data-folder.ts';
import type { Desktop } from './desktop.ts';
import { gnome } from './gnome.ts';
import { kde } from './kde.ts';
import { macos } from './macos.ts';
import { runCommand } from './run-command.ts';
import { SystemProxy } from './system-proxy.ts';
import { windows } from './windows.ts';

interface Desktops {
  /** Those that the session of this process may be of; none outside of one. */
  readonly desktops: readonly Desktop[];
  readonly others: readonly Desktop[];
}

/** `session` as in `XDG_CURRENT_DESKTOP`. */
export function desktopsOf(platform: NodeJS.Platform, session: string): Desktops {
  if (platform === 'darwin') return { desktops: [macos], others: [] };
  if (platform === 'win32') return { desktops: [windows], others: [] };
  // What answers outside of a session may know nothing of what its user has set.
  if (session === '') return { desktops: [], others: [] };
  const ofKde = [kde(6), kde(5)];
  return /\bkde\b/i.test(session) ? { desktops: ofKde, others: [gnome] } : { desktops: [gnome], others: ofKde };
}

/** The proxy settings of this machine, which are put right should a run before have left them. */
export async function openSystemProxy(folder: Pick<ClientFolder, 'systemProxy'>, log: Log): Promise<SystemProxy> {
  const { desktops, others } = desktopsOf(process.platform, process.env.XDG_CURRENT_DESKTOP ?? '');
  return await SystemProxy.open({ run: runCommand, desktops, others, file: folder.systemProxy, log });
}
