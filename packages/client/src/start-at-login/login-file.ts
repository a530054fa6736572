import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LoginItem } from './login-item.ts';
import { quoteForDesktopEntry, quoteForXml } from './quote.ts';

/** Stands in every file of ours, and in no other. */
export const CLIENT_MARK = 'org.rozan.client';
/** What desktops write into a file whose program a person has turned off by their means. */
const TURNED_OFF = /^(Hidden\s*=\s*true|X-GNOME-Autostart-enabled\s*=\s*false)\s*$/m;

/** Null where there is none. Rejects where something is there that cannot be read, and so is not ours. */
async function readOrNull(path: string): Promise<string | null> {
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw error;
  });
}

/** A file that a desktop reads at login. Replaced as a whole; one that is not ours is left alone. */
export function loginFile(path: string, format: (command: readonly string[]) => string): LoginItem {
  const read = () => readFile(path, 'utf8').catch(() => '');
  return {
    isOn: async () => {
      const text = await read();
      return text.includes(CLIENT_MARK) && !TURNED_OFF.test(text);
    },
    on: async (command) => {
      const before = await readOrNull(path);
      if (before?.includes(CLIENT_MARK) === false) throw new Error('something of somebody else starts by that name');
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, format(command), { mode: 0o600, flush: true });
      await rename(`${path}.new`, path);
    },
    off: async () => {
      if ((await read()).includes(CLIENT_MARK)) await rm(path, { force: true });
    },
  };
}

/** Of desktops on Linux (Desktop Application Autostart Specification 0.5). */
export function desktopEntry(command: readonly string[]): string {
  return `[Desktop Entry]
Type=Application
Name=Rozan
Exec=${quoteForDesktopEntry(command)}
Terminal=false
X-Rozan=${CLIENT_MARK}
`;
}

/** Of macOS (launchd.plist). It starts with the next login. */
export function launchAgent(command: readonly string[], label: string = CLIENT_MARK): string {
  const words = command.map((word) => `    <string>${quoteForXml(word)}</string>`).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${label}</string>
  <key>ProgramArguments</key>
  <array>
${words}
  </array>
  <key>RunAtLoad</key>
  <true/>
</dict>
</plist>
`;
}
