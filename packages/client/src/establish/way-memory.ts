import { createHmac } from 'node:crypto';
import type { Env } from '@rozan/tunnel';
import {
  MAX_MEMORY_BYTES,
  REMEMBER_MS,
  REMEMBERED_NETWORKS,
  REMEMBERED_WAYS,
  SAMPLE_AGE_MS,
  SAMPLE_ENTRIES,
} from '../limits.ts';
import { type DescribeNetwork, NetworkNamer } from './network-name.ts';

/** Where a client keeps what it has learnt; one small text. */
export interface MemoryStore {
  /** What was written last, or null. */
  read(): Promise<string | null>;
  write(text: string): Promise<void>;
}

/** A way that worked, by a hash that only this file's owner can compare with a server entry. */
interface WorkedWay {
  readonly way: string;
  readonly workedMs: number;
}

interface Stored {
  readonly salt: Buffer;
  readonly sample: { readonly drawnMs: number; readonly tags: readonly string[] };
  /** The network used last in front. */
  readonly networks: readonly { readonly name: string; readonly ways: readonly WorkedWay[] }[];
}

const VERSION = 1;
const SALT_BYTES = 16;
const WAY_BYTES = 12;
/** The most of a text that stands for a network, a way or an entry. */
const MAX_NAME_CHARS = 32;
const MAX_SAMPLE_TAGS = 64;

/** What a client remembers of its attempts: the sample of entries that it keeps to, and what worked on which network of late. */
export class WayMemory {
  readonly #env: Env;
  readonly #store: MemoryStore | null;
  readonly #namer: NetworkNamer;
  #stored: Stored;

  private constructor(env: Env, options: { store: MemoryStore | null; stored: Stored; describe: DescribeNetwork }) {
    this.#env = env;
    this.#store = options.store;
    this.#stored = options.stored;
    this.#namer = new NetworkNamer(options.stored.salt, options.describe);
  }

  /** Reads what there is. A text that is none of ours is as good as none. */
  static async open(env: Env, options: { store: MemoryStore | null; describe: DescribeNetwork }): Promise<WayMemory> {
    const text = (await options.store?.read().catch(() => null)) ?? null;
    const stored = (text === null ? null : parseStored(text)) ?? emptyMemory(env);
    return new WayMemory(env, { ...options, stored });
  }

  /** The entries that are tried before any other: the same ones for weeks, of those that there are. */
  async sample(tags: readonly string[]): Promise<ReadonlySet<string>> {
    if (tags.length <= SAMPLE_ENTRIES) return new Set(tags);
    const nowMs = this.#env.clock.wallMs();
    const { drawnMs, tags: before } = this.#stored.sample;
    const isFresh = Math.abs(nowMs - drawnMs) < SAMPLE_AGE_MS;
    const known = new Set(tags);
    const kept = isFresh ? before.filter((tag) => known.has(tag)).slice(0, SAMPLE_ENTRIES) : [];
    const added = shuffled(
      this.#env,
      tags.filter((tag) => !kept.includes(tag)),
    ).slice(0, SAMPLE_ENTRIES - kept.length);
    if (added.length > 0 || !isFresh) {
      await this.#change({ sample: { drawnMs: isFresh ? drawnMs : nowMs, tags: [...kept, ...added] } });
    }
    return new Set([...kept, ...added]);
  }

  /** A way by its key, as it was remembered. */
  wayOf(key: string): string {
    return createHmac('sha256', this.#stored.salt).update(key).digest().subarray(0, WAY_BYTES).toString('base64url');
  }

  /** The ways that worked on this network of late, the last one first. */
  async remembered(): Promise<readonly string[]> {
    const name = await this.#namer.name();
    const nowMs = this.#env.clock.wallMs();
    // Clocks are set back, too; what lies far ahead must not stay for ever.
    const isFresh = ({ workedMs }: WorkedWay) => Math.abs(nowMs - workedMs) < REMEMBER_MS;
    const network = this.#stored.networks.find((other) => other.name === name);
    return (network?.ways ?? []).filter(isFresh).map(({ way }) => way);
  }

  /** Notes that a way has worked here and now. Its entry belongs to the sample from now on. */
  async noteWorked({ key, tag }: { readonly key: string; readonly tag: string }): Promise<void> {
    const name = await this.#namer.name();
    const { networks, sample } = this.#stored;
    const tags = [tag, ...sample.tags.filter((other) => other !== tag)].slice(0, SAMPLE_ENTRIES);
    const known = sample.tags.length === 0 || sample.tags.includes(tag);
    const change: Partial<Stored> = known ? {} : { sample: { ...sample, tags } };
    if (name === null) {
      await this.#change(change);
      return;
    }
    const way = this.wayOf(key);
    const before = networks.find((other) => other.name === name)?.ways ?? [];
    const workedMs = this.#env.clock.wallMs();
    const ways = [{ way, workedMs }, ...before.filter((other) => other.way !== way)].slice(0, REMEMBERED_WAYS);
    const others = networks.filter((other) => other.name !== name);
    await this.#change({ ...change, networks: [{ name, ways }, ...others].slice(0, REMEMBERED_NETWORKS) });
  }

  /** What cannot be written is remembered until the end. */
  async #change(change: Partial<Stored>): Promise<void> {
    this.#stored = { ...this.#stored, ...change };
    await this.#store?.write(formatStored(this.#stored)).catch(() => {
      this.#env.log({ event: 'memory.unwritable' });
    });
  }
}

function emptyMemory(env: Env): Stored {
  return { salt: env.random.bytes(SALT_BYTES), sample: { drawnMs: 0, tags: [] }, networks: [] };
}

/** A random order of the same things. */
export function shuffled<T>(env: Env, things: readonly T[]): T[] {
  const drawn = things.map((thing) => ({ thing, at: env.random.fraction() }));
  return drawn.sort((a, b) => a.at - b.at).map(({ thing }) => thing);
}

function formatStored({ salt, sample, networks }: Stored): string {
  return `${JSON.stringify({ v: VERSION, salt: salt.toString('base64url'), sample, networks })}\n`;
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isName = (value: unknown): value is string => typeof value === 'string' && value.length <= MAX_NAME_CHARS;
const isTime = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);

/** Reads what `WayMemory` has written, within its bounds; null for anything else. */
export function parseStored(text: string): Stored | null {
  if (text.length > MAX_MEMORY_BYTES) return null;
  const input = parseJson(text);
  if (!isObject(input) || input.v !== VERSION || typeof input.salt !== 'string') return null;
  const salt = Buffer.from(input.salt, 'base64url');
  const { sample, networks } = input;
  if (salt.length !== SALT_BYTES || !isObject(sample) || !isTime(sample.drawnMs)) return null;
  if (!Array.isArray(sample.tags) || !sample.tags.every(isName) || sample.tags.length > MAX_SAMPLE_TAGS) return null;
  if (!Array.isArray(networks) || networks.length > REMEMBERED_NETWORKS || !networks.every(isNetwork)) return null;
  return { salt, sample: { drawnMs: sample.drawnMs, tags: sample.tags }, networks };
}

function isNetwork(value: unknown): value is Stored['networks'][number] {
  if (!isObject(value) || !isName(value.name) || !Array.isArray(value.ways)) return false;
  if (value.ways.length > REMEMBERED_WAYS) return false;
  return value.ways.every((way: unknown) => isObject(way) && isName(way.way) && isTime(way.workedMs));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
