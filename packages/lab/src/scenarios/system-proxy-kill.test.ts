import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { GSETTINGS } from '../testing/fake-gnome.ts';
import { runRozan, startProgram } from '../testing/program.ts';
import { initRelay } from '../testing/relay-network.ts';
import { findCommand } from '../testing/tools.ts';
import { createScratchFolder } from '../world.ts';

const SCHEMA = '/usr/share/glib-2.0/schemas/org.gnome.system.proxy.gschema.xml';
const PROXY = 'org.gnome.system.proxy';
/**
 * Eight commands change something when all is set that a person had otherwise. All moments are tried against desktops in memory
 * (system-proxy.test.ts); these are after the journal was written, in the midst, before what turns it on, and after it.
 */
const MOMENTS: readonly Kill[] = [
  { KILL_BEFORE: '1' },
  { KILL_AFTER: '1' },
  { KILL_BEFORE: '5' },
  { KILL_BEFORE: '8' },
  { KILL_AFTER: '8' },
];
const RANDOM_KILLS = 6;
const CLIENT_KILLS = 4;
/** From a client's ready line until it has set everything, and a little longer. */
const SETTING_MS = 300;

/** What a person has set, in the proxy's settings and elsewhere. */
const BEFORE = [
  [`${PROXY}.http`, 'host', "'proxy.work'"],
  [`${PROXY}.http`, 'port', '3128'],
  [`${PROXY}.https`, 'host', "'proxy.work'"],
  [`${PROXY}.https`, 'port', '3129'],
  [`${PROXY}.socks`, 'host', "''"],
  [`${PROXY}.socks`, 'port', '0'],
  [`${PROXY}.ftp`, 'host', "'ftp.work'"],
  [PROXY, 'ignore-hosts', "['*.work', 'localhost']"],
  [PROXY, 'autoconfig-url', "'http://wpad.work/proxy.pac'"],
  [PROXY, 'mode', "'auto'"],
  ['org.gnome.desktop.interface', 'color-scheme', "'prefer-dark'"],
] as const;

/** A `gsettings` that kills the program that has called it, before its nth change or after it. */
const killing = (real: string) => `#!/bin/sh
change() {
${real}
}
[ "$1" = set ] && [ -n "$COUNT" ] || { change "$@"; exit; }
echo >> "$COUNT"
n=$(wc -l < "$COUNT")
[ "$n" -eq "\${KILL_BEFORE:-0}" ] && { kill -9 $PPID; exit; }
change "$@"
[ "$n" -eq "\${KILL_AFTER:-0}" ] && kill -9 $PPID
exit 0
`;

/** A session of GNOME in a folder, with a client's folder beside it. */
class Session {
  readonly #folder: string;
  #runs = 0;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async create(folder: string, real: string): Promise<Session> {
    for (const name of ['bin', 'settings']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'bin', 'gsettings'), killing(real));
    await chmod(join(folder, 'bin', 'gsettings'), 0o755);
    const session = new Session(folder);
    for (const [schema, key, text] of BEFORE) await session.#gsettings('set', schema, key, text);
    return session;
  }

  get env(): Record<string, string> {
    const settings = join(this.#folder, 'settings');
    return {
      XDG_CURRENT_DESKTOP: 'GNOME',
      XDG_CONFIG_HOME: settings,
      SETTINGS: settings,
      GSETTINGS_BACKEND: 'keyfile',
      PATH: `${join(this.#folder, 'bin')}:${process.env.PATH}`,
    };
  }

  async #gsettings(...args: readonly string[]): Promise<string> {
    const program = join(this.#folder, 'bin', 'gsettings');
    const { stdout } = await promisify(execFile)(program, args, { env: { ...process.env, ...this.env } });
    return stdout.trim();
  }

  async settings(): Promise<string[]> {
    const found: string[] = [];
    for (const [schema, key] of BEFORE) found.push(await this.#gsettings('get', schema, key));
    return found;
  }

  /** `rozan proxy`, killed perhaps; gives its exit code, null when it was. */
  async proxy(verb: 'on' | 'off', { killAfterMs, ...env }: Kill = {}): Promise<number | null> {
    this.#runs += 1;
    const count = join(this.#folder, `changes-${this.#runs}`);
    const { code, err } = await runRozan(['proxy', verb, '--data', join(this.#folder, 'client')], {
      env: { ...this.env, COUNT: count, ...env },
      ...(killAfterMs === undefined ? {} : { killAfterMs }),
    });
    assert.equal(code === null ? '' : err, '');
    return code;
  }
}

interface Kill {
  readonly KILL_BEFORE?: string;
  readonly KILL_AFTER?: string;
  readonly killAfterMs?: number;
}

const SESSIONS = {
  'settings in files': {
    real: GSETTINGS,
    skip: process.platform === 'win32' ? 'a shell script stands for gsettings' : false,
  },
  'the real gsettings': {
    real: `${findCommand('gsettings')} "$@"`,
    skip:
      findCommand('gsettings') === null || !existsSync(SCHEMA)
        ? 'not on this machine: gsettings with the schemas of GNOME (libglib2.0-bin, gsettings-desktop-schemas)'
        : false,
  },
};

for (const [name, { real, skip }] of Object.entries(SESSIONS)) {
  test(`${name}: killed before and after changes, the next run has all as it was`, { skip }, async () => {
    await using scratch = await createScratchFolder();
    const session = await Session.create(scratch.path, real);
    const before = BEFORE.map(([, , text]) => text);
    assert.deepEqual(await session.settings(), before);
    for (const moment of MOMENTS) {
      assert.equal(await session.proxy('on', moment), null);
      assert.equal(await session.proxy('on'), 0);
      assert.ok((await session.settings()).includes("'manual'"));
      assert.equal(await session.proxy('off', moment), null);
      assert.equal(await session.proxy('off'), 0);
      assert.deepEqual(await session.settings(), before, `killed ${JSON.stringify(moment)}`);
    }
  });

  test(`${name}: killed at random moments, the next run has all as it was`, { skip }, async () => {
    await using scratch = await createScratchFolder();
    const session = await Session.create(scratch.path, real);
    const before = BEFORE.map(([, , text]) => text);
    const startMs = performance.now();
    await session.proxy('on');
    const wholeMs = performance.now() - startMs;
    for (let kill = 0; kill < RANDOM_KILLS; kill += 1) {
      const killAfterMs = Math.ceil(Math.random() * wholeMs);
      await session.proxy(kill % 2 === 0 ? 'off' : 'on', { killAfterMs });
      if (kill % 2 === 0) await session.proxy('on', { killAfterMs });
      assert.equal(await session.proxy('off'), 0);
      assert.deepEqual(await session.settings(), before, `killed after ${killAfterMs} ms`);
    }
  });

  test(`${name}: a client killed at random moments has all as it was at its next start`, { skip }, async () => {
    await using scratch = await createScratchFolder();
    const session = await Session.create(scratch.path, real);
    const { env } = session;
    const data = join(scratch.path, 'client');
    const store = async (settings: object) => {
      await writeFile(join(data, 'settings.json'), JSON.stringify(settings), { mode: 0o600 });
    };
    await mkdir(data, { mode: 0o700 });
    const args = ['client', '--data', data, '--socks', '127.0.0.1:0', '--http', '127.0.0.1:0', '--ui', '127.0.0.1:0'];
    const input = await initRelay(join(scratch.path, 'relay'));
    for (let kill = 0; kill < CLIENT_KILLS; kill += 1) {
      await store({ systemProxy: true, connectAtStart: true });
      const client = await startProgram([...args, '--entry', '-'], { env, input });
      const killAfterMs = Math.random() * SETTING_MS;
      await pause(killAfterMs);
      await client.stop('SIGKILL');
      await store({});
      await using _next = await startProgram(args, { env });
      const before = BEFORE.map(([, , text]) => text);
      assert.deepEqual(await session.settings(), before, `killed after ${killAfterMs} ms`);
    }
  });
}
