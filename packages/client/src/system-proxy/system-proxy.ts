import { isDeepStrictEqual } from 'node:util';
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
  /** The desktops that this session may be of, the likelier ones first. */
  readonly desktops: readonly Desktop[];
  /** Others that the same person may use at other times, and whose settings can be put back from here. */
  readonly others?: readonly Desktop[];
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
  #place: ProxyPlace | null = null;
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

  /** Rejects when there is no desktop that it knows, or it does not take the settings; then everything is as it was. */
  on(place: ProxyPlace): Promise<void> {
    return this.#inTurn(async () => {
      const desktop = this.#desktop;
      if (desktop === null) throw new Error('there is no desktop here whose proxy can be set');
      if (this.#isOn && isDeepStrictEqual(place, this.#place)) return;
      await this.#restore();
      const { run, file } = this.#options;
      const found = await desktop.read(run);
      const ours = desktop.wanted(place, found);
      const keys = new Set(ours.map(({ key }) => key));
      const before = found.filter(({ key }) => keys.has(key)).map(({ key, text }) => ({ key, text }));
      await file.write(`${JSON.stringify({ desktop: desktop.name, before, ours })}\n`);
      try {
        for (const value of ours) await desktop.write(run, value);
        // `gsettings` says that all is well also where nothing keeps what it sets.
        const now = textByKey(await desktop.read(run));
        if (ours.some(({ key, text }) => now.get(key) !== text))
          throw new Error('the desktop does not keep its settings');
        await desktop.announce(run);
      } catch (error) {
        await this.#restore();
        throw error;
      }
      this.#isOn = true;
      this.#place = place;
    });
  }

  /** Rejects when what was there before cannot be put back now; it is kept for another time. */
  off(): Promise<void> {
    return this.#inTurn(() => this.#restore());
  }

  #inTurn(change: () => Promise<void>): Promise<void> {
    const turn = this.#lastChange.then(change);
    this.#lastChange = turn.catch(() => {});
    return turn;
  }

  async #restore(): Promise<void> {
    const { run, file, log, desktops, others = [] } = this.#options;
    const saved = parseSaved(await file.read());
    if (saved === null) {
      this.#isOn = false;
      return;
    }
    const desktop = [...desktops, ...others].find(({ name }) => name === saved.desktop);
    if (desktop === undefined) throw new Error(`the desktop whose proxy was set is not here: ${saved.desktop}`);
    const { ours, theirs } = await leftOf(desktop, run, saved);
    this.#isForeign = theirs.length > 0;
    // Proxies of somebody else's stay turned on.
    const stays = this.#isForeign ? desktop.switchKey : null;
    for (const value of ours) if (value.key !== stays) await desktop.write(run, value);
    const { ours: left } = await leftOf(desktop, run, saved);
    if (left.some(({ key }) => key !== stays)) throw new Error('the desktop does not keep its settings');
    await desktop.announce(run);
    if (this.#isForeign) log({ event: 'system-proxy.foreign', desktop: desktop.name });
    await file.write('');
    this.#isOn = false;
  }
}

/** What is still as we have set it, with what was there before, and what somebody else has changed. */
interface Left {
  readonly ours: readonly Value[];
  readonly theirs: readonly Value[];
}

async function leftOf(desktop: Desktop, run: RunCommand, saved: Saved): Promise<Left> {
  const now = textByKey(await desktop.read(run));
  const before = textByKey(saved.before);
  const isBack = (is: string | null, was: string | null) => is === was || (desktop.isAsGoodAs?.(is, was) ?? false);
  // What turns it on was written last, and goes first. A network that is gone has nothing to be put back.
  const changed = saved.ours
    .toReversed()
    .filter(({ key, text }) => now.has(key) && before.get(key) !== text)
    // After a crash a value may still be the one from before, or be so again.
    .filter(({ key }) => !isBack(now.get(key) ?? null, before.get(key) ?? null));
  const isOurs = ({ key, text }: Value) =>
    now.get(key) === text || (desktop.isPassing?.(now.get(key) ?? null, before.get(key) ?? null) ?? false);
  return {
    ours: changed.filter(isOurs).map(({ key }) => ({ key, text: before.get(key) ?? null })),
    theirs: changed.filter((value) => !isOurs(value)),
  };
}

function textByKey(values: readonly Value[]): ReadonlyMap<string, string | null> {
  return new Map(values.map(({ key, text }) => [key, text]));
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
