import type { Log } from '@rozan/tunnel';
import { z } from 'zod';
import type { MemoryStore } from '../establish/way-memory.ts';
import type { Desktop, ProxyPlace, RunCommand, Value } from './desktop.ts';

/** macOS has six for each of its networks. */
const MAX_VALUES = 600;
const valueSchema = z.strictObject({ key: z.string().max(200), text: z.string().max(4096).nullable() });
const valuesSchema = z.array(valueSchema).max(MAX_VALUES);
/** What was there before, and what we have put there: written before anything is changed. */
const savedSchema = z.strictObject({ desktop: z.string(), before: valuesSchema, ours: valuesSchema });
type Saved = z.output<typeof savedSchema>;

/** What the system proxy needs. */
export interface SystemProxyOptions {
  readonly run: RunCommand;
  /** The desktops that this machine may have, the likelier ones first. */
  readonly desktops: readonly Desktop[];
  /** A file of the user's alone, replaced as a whole, that outlives this process. */
  readonly file: MemoryStore;
  readonly log: Log;
}

/** What was saved, or null where there is nothing, or nothing that can be read. */
export function parseSaved(text: string | null): Saved | null {
  if (text === null || text.trim() === '') return null;
  try {
    return savedSchema.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

/**
 * Has the system use our proxies, and puts back what was there before: when it is turned off, at the end, and at the next start after a crash. What
 * somebody else has changed meanwhile is theirs, and stays.
 */
export class SystemProxy {
  readonly #options: SystemProxyOptions;
  readonly #desktop: Desktop | null;
  #isOn = false;
  #isForeign = false;
  #lastChange: Promise<unknown> = Promise.resolve();

  private constructor(options: SystemProxyOptions, desktop: Desktop | null) {
    this.#options = options;
    this.#desktop = desktop;
  }

  /** Looks which desktop there is, and puts back what a run before has left. */
  static async open(options: SystemProxyOptions): Promise<SystemProxy> {
    const proxy = new SystemProxy(options, await findDesktop(options));
    // Where the desktop cannot be reached just now, what was saved waits for another start.
    await proxy.off().catch(() => options.log({ event: 'system-proxy.unrestored' }));
    return proxy;
  }

  get isAvailable(): boolean {
    return this.#desktop !== null;
  }

  get isOn(): boolean {
    return this.#isOn;
  }

  /** Whether the last restoring has left something alone, because somebody else had changed it. */
  get isForeign(): boolean {
    return this.#isForeign;
  }

  /** Rejects when there is no desktop that it knows, or a command fails; then everything is as it was. */
  on(place: ProxyPlace): Promise<void> {
    return this.#inTurn(async () => {
      const desktop = this.#desktop;
      if (desktop === null) throw new Error('there is no desktop here whose proxy can be set');
      await this.#restore();
      const { run, file } = this.#options;
      const before = await desktop.read(run);
      const ours = desktop.wanted(place, before);
      await file.write(`${JSON.stringify({ desktop: desktop.name, before, ours })}\n`);
      try {
        for (const value of ours) await desktop.write(run, value);
        await desktop.announce(run);
      } catch (error) {
        await this.#restore();
        throw error;
      }
      this.#isOn = true;
    });
  }

  off(): Promise<void> {
    return this.#inTurn(() => this.#restore());
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#lastChange.then(change);
    this.#lastChange = turn.catch(() => {});
    return turn;
  }

  async #restore(): Promise<void> {
    const { run, file, log, desktops } = this.#options;
    const saved = parseSaved(await file.read());
    this.#isOn = false;
    if (saved === null) return;
    const desktop = desktops.find(({ name }) => name === saved.desktop);
    if (desktop === undefined) return;
    const now = new Map((await desktop.read(run)).map(({ key, text }) => [key, text]));
    const before = new Map(saved.before.map(({ key, text }) => [key, text]));
    // What turns it on was written last, and goes first.
    // A network that is gone has nothing to be put back.
    const changed = saved.ours.toReversed().filter(({ key, text }) => now.has(key) && before.get(key) !== text);
    // After a crash while it was being set a value may still be the one from before.
    const isOurs = ({ key, text }: Value) =>
      now.get(key) === text || (desktop.isPassing?.(now.get(key) ?? null, before.get(key) ?? null) ?? false);
    this.#isForeign = changed.some((value) => !isOurs(value) && now.get(value.key) !== before.get(value.key));
    for (const value of changed) {
      const { key } = value;
      // Proxies of somebody else's stay turned on.
      if (this.#isForeign && key === desktop.switchKey) continue;
      if (isOurs(value)) await desktop.write(run, { key, text: before.get(key) ?? null });
    }
    await desktop.announce(run);
    if (this.#isForeign) log({ event: 'system-proxy.foreign', desktop: desktop.name });
    await file.write('');
  }
}

async function findDesktop({ desktops, run }: SystemProxyOptions): Promise<Desktop | null> {
  for (const desktop of desktops) {
    const isThere = await desktop.read(run).then(
      () => true,
      () => false,
    );
    if (isThere) return desktop;
  }
  return null;
}
