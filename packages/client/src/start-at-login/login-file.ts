import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { LoginItem } from './login-item.ts';
import { quoteForDesktopEntry, quoteForXml } from './quote.ts';

/** Stands in every file of ours, and in no other. */
const MARK = 'org.rozan.client';

/** A file that a desktop reads at login. Replaced as a whole; one that is not ours is left alone. */
export function loginFile(path: string, format: (command: readonly string[]) => string): LoginItem {
  const read = () => readFile(path, 'utf8').catch(() => null);
  const isOn = async () => (await read())?.includes(MARK) === true;
  return {
    isOn,
    on: async (command) => {
      if ((await read()) !== null && !(await isOn())) throw new Error('something of somebody else starts by that name');
      await mkdir(dirname(path), { recursive: true });
      await writeFile(`${path}.new`, format(command), { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
    off: async () => {
      if (await isOn()) await rm(path, { force: true });
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
X-Rozan=${MARK}
`;
}

/** Of macOS (launchd.plist). It starts with the next login. */
export function launchAgent(command: readonly string[]): string {
  const words = command.map((word) => `    <string>${quoteForXml(word)}</string>`).join('\n');
  return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">
<dict>
  <key>Label</key>
  <string>${MARK}</string>
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
