// A small publication of one's own, for tests: keys of everybody in one hand.
import type { Random } from '@rozan/tunnel';
import { ManualClock, SeededRandom } from '@rozan/tunnel/testing';
import { type SigningKey, signingKeyOf } from '../keys.ts';
import type { EntryList, NetworkContent } from '../make/network-part.ts';
import { readPending } from '../make/pending.ts';
import { draftFirst, type SignedFile, type Workshop } from '../make/propose.ts';
import { type PublishReport, publish } from '../make/publish.ts';
import { addSignature } from '../metadata.ts';
import { createMemoryStorage } from '../storage/memory-storage.ts';
import type { Storage } from '../storage/storage.ts';

const HOUR_MS = 3_600_000;

type Keys = Record<'root' | 'targets' | 'releases' | 'network' | 'snapshot' | 'timestamp', SigningKey[]>;

/** The time at which tests begin. */
export const TEST_NOW_MS: number = Date.UTC(2026, 0, 10);

/** Where and when a test publishes; in memory, at the beginning of 2026. */
export interface PublisherOptions {
  readonly storage?: Storage;
  readonly nowMs?: number;
}

/** Those who publish, in one object. */
export class TestPublisher implements Workshop {
  readonly clock: ManualClock;
  readonly random: Random = new SeededRandom(7);
  readonly storage: Storage;
  readonly pending: Storage;
  readonly keys: Keys;
  readonly lists: EntryList[] = [];
  readonly files = new Map<string, SignedFile>();

  constructor({ storage, nowMs = TEST_NOW_MS }: PublisherOptions = {}) {
    this.clock = new ManualClock(nowMs);
    this.storage = storage ?? createMemoryStorage(this.clock);
    this.pending = createMemoryStorage(this.clock);
    const draw = (count: number) => Array.from({ length: count }, () => this.drawKey());
    this.keys = {
      root: draw(3),
      targets: draw(3),
      releases: draw(3),
      network: draw(1),
      snapshot: draw(1),
      timestamp: draw(1),
    };
  }

  /** A publication with nothing in it. */
  static async create(options: PublisherOptions = {}): Promise<TestPublisher> {
    const publisher = new TestPublisher(options);
    await draftFirst(publisher, publisher.keys, publisher.clock.wallMs());
    await publisher.signPending();
    await publisher.publish();
    return publisher;
  }

  drawKey(): SigningKey {
    return signingKeyOf(this.random.bytes(32));
  }

  get content(): NetworkContent {
    return { lists: this.lists, files: this.files };
  }

  async publish(): Promise<PublishReport> {
    const { storage, pending, keys, content } = this;
    return await publish(this, {
      storage,
      pending,
      content,
      keys: [keys.network, keys.snapshot, keys.timestamp].flat(),
    });
  }

  /** Signs all that waits, with two keys of its role, or those that are given. */
  async signPending(signers?: Readonly<Record<string, readonly SigningKey[]>>): Promise<void> {
    for (const [role, { bytes, signed }] of await readPending(this.pending)) {
      const keys = signers?.[role] ?? this.keys[role as keyof Keys]?.slice(0, 2) ?? [];
      const all = keys.reduce(addSignature, bytes);
      await this.pending.write(`${signed.version}.${role}.json`, all);
    }
  }

  /** Adds a list of `count` entries of about `bytes` bytes each, and gives its key. */
  addList(count: number, bytes = 300): Buffer {
    const key = this.random.bytes(32);
    this.lists.push({ key, entries: Array.from({ length: count }, () => this.random.bytes(bytes)) });
    return key;
  }

  /** Puts a new entry in place of the first one of a list. */
  changeList(key: Buffer): void {
    const at = this.lists.findIndex((list) => list.key.equals(key));
    const list = this.lists[at];
    if (list === undefined) throw new Error('no such list');
    this.lists[at] = { key, entries: [...list.entries.slice(1), this.random.bytes(list.entries[0]?.length ?? 300)] };
  }

  passHours(hours: number): void {
    this.clock.setWallMs(this.clock.wallMs() + hours * HOUR_MS);
  }

  async rootBytes(version = 1): Promise<Buffer> {
    const bytes = await this.storage.read(`metadata/${version}.root.json`);
    if (bytes === null) throw new Error('no such root');
    return bytes;
  }
}
