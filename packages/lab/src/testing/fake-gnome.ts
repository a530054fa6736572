import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const MODE_MS = 20_000;
const POLL_MS = 20;

/** `gsettings` over files in the folder `$SETTINGS`, as lines of a shell script: one file for each key, so that a kill leaves each change whole. */
export const GSETTINGS = `
file="$SETTINGS/$2 $3"
case "$1" in
  get) cat "$file" 2>/dev/null || echo "''" ;;
  set) printf '%s\\n' "$4" > "$file.$$.new" && mv "$file.$$.new" "$file" ;;
  *) exit 2 ;;
esac`;

/** A person's account on a GNOME desktop: settings in files, a browser that notes what it was told to open, and what starts at login. */
export interface FakeGnome {
  /** For programs of this account. */
  readonly env: { readonly [name: string]: string };
  /** What the browser was last told to open. */
  opened(): Promise<string>;
  /** The mode of the system's proxy, as GNOME writes it. */
  proxyMode(): Promise<string>;
  /** Resolves when the mode is this one; rejects when it is not in time. */
  waitForProxyMode(mode: string): Promise<void>;
}

/** Makes one in a folder. Its commands are shell scripts. */
export async function createFakeGnome(folder: string): Promise<FakeGnome> {
  const [bin, settings] = [join(folder, 'bin'), join(folder, 'gnome')];
  await mkdir(bin);
  await mkdir(settings);
  const script = async (name: string, text: string) => {
    await writeFile(join(bin, name), `#!/bin/sh\n${text}\n`);
    await chmod(join(bin, name), 0o755);
  };
  await script('xdg-open', `printf '%s\\n' "$1" > '${folder}/opened'`);
  await script('gsettings', GSETTINGS);
  const read = (path: string) => readFile(path, 'utf8').then((text) => text.trim());
  const proxyMode = () => read(join(settings, 'org.gnome.system.proxy mode')).catch(() => "''");
  return {
    env: {
      PATH: `${bin}:${process.env.PATH}`,
      SETTINGS: settings,
      XDG_CURRENT_DESKTOP: 'GNOME',
      XDG_DATA_HOME: join(folder, 'share'),
      XDG_CONFIG_HOME: join(folder, 'config'),
    },
    opened: () => read(join(folder, 'opened')),
    proxyMode,
    waitForProxyMode: async (mode) => {
      const patience = AbortSignal.timeout(MODE_MS);
      while ((await proxyMode()) !== mode) {
        patience.throwIfAborted();
        await pause(POLL_MS);
      }
    },
  };
}
