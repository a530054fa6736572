import { isDeepStrictEqual } from 'node:util';
import type { Log } from '@rozan/tunnel';
import { z } from 'zod';
import type { MemoryStore } from '../establish/way-memory.ts';
import { ApiFailure } from './api-error.ts';
import {
  type Settings,
  type SettingsReply,
  type SettingsRequest,
  settingsSchema,
  upstreamSchema,
} from './api-types.ts';
import { MAX_SETTINGS_BYTES } from './limits.ts';

const storedUpstreamSchema = upstreamSchema.extend({ password: z.string().max(255).nullable() });
const storedSchema = settingsSchema.extend({ upstreamProxy: storedUpstreamSchema.nullable() });
/** The settings as they are kept: with the password of the upstream proxy. */
export type StoredSettings = z.output<typeof storedSchema>;
type StoredUpstream = StoredSettings['upstreamProxy'];
type Name = keyof Settings;

const DEFAULTS: StoredSettings = {
  socksPort: 1080,
  httpPort: 8080,
  shareOnLan: false,
  upstreamProxy: null,
  startAtLogin: false,
  connectAtStart: true,
  bypassDomestic: false,
  systemProxy: false,
  meteredData: false,
  language: null,
  region: null,
  country: null,
};

/** Of settings that act at all: those for which the proxies have to be made anew. */
const AT_START: readonly Name[] = ['socksPort', 'httpPort', 'shareOnLan', 'upstreamProxy'];

/** How `SettingsStore.open` works. */
export interface SettingsStoreOptions {
  /** Where they are kept; null for nowhere, and then they last until the end. */
  readonly file: MemoryStore | null;
  /** What acts never here. */
  readonly missing: ReadonlySet<Name>;
  readonly log: Log;
}

/** What was kept, as far as it is of its form: a single wrong member must not cost the others. */
export function parseStoredSettings(text: string | null): StoredSettings {
  if (text === null || text.length > MAX_SETTINGS_BYTES) return DEFAULTS;
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return DEFAULTS;
  }
  if (typeof values !== 'object' || values === null) return DEFAULTS;
  const good = Object.entries(storedSchema.shape).flatMap(([name, schema]) => {
    const value: unknown = Object.hasOwn(values, name) ? Reflect.get(values, name) : undefined;
    const parsed = schema.safeParse(value);
    return parsed.success ? [[name, parsed.data] as const] : [];
  });
  return { ...DEFAULTS, ...Object.fromEntries(good) };
}

function newUpstream(before: StoredUpstream, change: SettingsRequest['upstreamProxy']): StoredUpstream {
  if (change === undefined) return before;
  if (change === null) return null;
  const { password, ...rest } = change;
  const { kind, host, port, user } = rest;
  // A password that was said for one proxy is not told to another.
  const isSame = before?.host === host && before.port === port && before.kind === kind && before.user === user;
  return { ...rest, password: password === undefined ? ((isSame ? before?.password : null) ?? null) : password };
}

function withoutPassword(upstream: StoredUpstream): Settings['upstreamProxy'] {
  if (upstream === null) return null;
  const { password, ...rest } = upstream;
  return { ...rest, hasPassword: password !== null };
}

/** The settings of the person who uses the client. They are kept before anything is said to be done. */
export class SettingsStore {
  readonly #options: SettingsStoreOptions;
  readonly #atStart: StoredSettings;
  #settings: StoredSettings;
  #lastChange: Promise<unknown> = Promise.resolve();
  isWritable = true;

  private constructor(options: SettingsStoreOptions, settings: StoredSettings) {
    this.#options = options;
    this.#atStart = settings;
    this.#settings = settings;
  }

  static async open(options: SettingsStoreOptions): Promise<SettingsStore> {
    return new SettingsStore(options, parseStoredSettings((await options.file?.read()) ?? null));
  }

  get current(): StoredSettings {
    return this.#settings;
  }

  /** What was changed and waits for the next start. */
  get waiting(): readonly Name[] {
    return AT_START.filter((name) => !isDeepStrictEqual(this.#settings[name], this.#atStart[name]));
  }

  /** Without secrets. */
  reply(): SettingsReply {
    const { upstreamProxy, ...rest } = this.#settings;
    const names = Object.keys(DEFAULTS) as Name[];
    const acts = Object.fromEntries(names.map((name) => [name, this.#actsWhen(name)])) as SettingsReply['acts'];
    return { settings: { ...rest, upstreamProxy: withoutPassword(upstreamProxy) }, acts, waiting: [...this.waiting] };
  }

  #actsWhen(name: Name): 'now' | 'start' | 'never' {
    if (this.#options.missing.has(name)) return 'never';
    return AT_START.includes(name) ? 'start' : 'now';
  }

  /** Changes all of what is asked for or nothing, one change after the other. Throws an `ApiFailure`. */
  change(request: SettingsRequest): Promise<StoredSettings> {
    const change = this.#lastChange.then(() => this.#change(request));
    this.#lastChange = change.catch(() => {});
    return change;
  }

  async #change({ upstreamProxy, ...rest }: SettingsRequest): Promise<StoredSettings> {
    const given = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined));
    const before = this.#settings;
    const next = { ...before, ...given, upstreamProxy: newUpstream(before.upstreamProxy, upstreamProxy) };
    for (const name of this.#options.missing) {
      if (!isDeepStrictEqual(next[name], before[name]))
        throw new ApiFailure('unavailable', `${name} does nothing here`);
    }
    if (next.socksPort === next.httpPort) throw new ApiFailure('malformed', 'the proxies need two different ports');
    await this.#write(next);
    this.#settings = next;
    return next;
  }

  async #write(settings: StoredSettings): Promise<void> {
    try {
      await this.#options.file?.write(`${JSON.stringify(settings)}\n`);
      this.isWritable = true;
    } catch {
      this.isWritable = false;
      this.#options.log({ event: 'settings.unwritable' });
      throw new ApiFailure('failed', 'the settings could not be written; they are as they were');
    }
  }
}
