import { type Brand, createFolderStorage, createMirrorDial } from '@rozan/publication';
import type { Conn, Env } from '@rozan/tunnel';
import { type Client, type ClientConfig, createClient } from '../client.ts';
import type { LinkedEntry } from '../entries.ts';
import { createNameResolver } from '../establish/name-resolver.ts';
import type { MemoryStore } from '../establish/way-memory.ts';
import { ListKeeper, type ListKeeperOptions } from './list-keeper.ts';

/** A client that starts from a brand. */
export interface BrandClientConfig extends Omit<ClientConfig, 'entries' | 'refreshLists'> {
  readonly brand: Brand;
  /** Where it keeps its entries. */
  readonly book: MemoryStore;
  /** A folder for what it has fetched of the publication. */
  readonly publicationFolder: string;
  /** Entries that a person gives, as share links. */
  readonly added?: readonly string[] | undefined;
  /** Where the last tactics are kept. */
  readonly tacticsStore?: MemoryStore | null | undefined;
  /** The country that it is in, two capital letters, and the number of its autonomous system, for tactics; null where they are not known. */
  readonly country?: string | null | undefined;
  readonly asn?: number | null | undefined;
  readonly refreshMs?: ListKeeperOptions['refreshMs'];
}

/** A running client that has a brand. */
export interface BrandClient extends Client {
  /** Takes entries that a person gives; gives how many were news. Throws a `ProtocolError` for what is none. */
  addEntries(links: readonly string[]): Promise<number>;
  /** Its entries as they are now, with the links that they came by. */
  linkedEntries(): readonly LinkedEntry[];
}

/** Starts a client from a brand. Throws what `createClient` throws, and a `PublicationError` where what it has kept cannot be read. */
export async function createBrandClient(config: BrandClientConfig, env: Env): Promise<BrandClient> {
  await using stack = new AsyncDisposableStack();
  const {
    brand,
    book,
    publicationFolder,
    added = [],
    refreshMs,
    tacticsStore: _kept,
    country: _country,
    asn: _asn,
    ...rest
  } = config;
  const { resolve = createNameResolver() } = rest;
  const keeper = stack.use(
    await ListKeeper.open(env, {
      ...{ brand, book, refreshMs },
      storage: createFolderStorage(publicationFolder, { isPrivate: true }),
      dialMirror: createMirrorDial(env, {
        resolve: (name, signal = new AbortController().signal) => resolve(name, signal),
      }),
    }),
  );
  if (added.length > 0) await keeper.add(added);
  const tactics = rest.tactics ?? tacticsOf(config, keeper);
  const refreshLists = (signal: AbortSignal) => keeper.refresh(signal);
  const client = stack.use(await createClient({ ...rest, tactics, entries: keeper.entries, refreshLists }, env));
  const { pool } = client;
  keeper.follow({
    isLive: () => pool.isLive(),
    isPaused: () => pool.isPaused,
    isMetered: () => rest.isMetered?.() ?? false,
    streamCount: () => pool.sessions.reduce((sum, { client: { session } }) => sum + session.streamCount, 0),
    refreshTactics: () => client.refreshTactics(),
    open: async (target, signal): Promise<Conn> => pool.open(target, signal === undefined ? {} : { signal }),
    workingTags: () => (pool.isLive() ? pool.sessions.map(({ dialer }) => dialer.entry.tag) : []),
    setEntries: (entries) => client.setEntries(entries),
    attestedMs: () => client.attestedMs(),
  });
  const running = stack.move();
  return {
    ...client,
    addEntries: (links) => keeper.add(links),
    linkedEntries: () => keeper.linkedEntries,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

/** The network's tactics, where the brand says who may sign them. */
function tacticsOf(
  { brand: { tacticsKeys: keys, channel }, tacticsStore, country = null, asn = null }: BrandClientConfig,
  keeper: ListKeeper,
): ClientConfig['tactics'] {
  if (keys.length === 0) return undefined;
  const channels = [channel];
  return { read: () => keeper.readTactics(), keys, country, asn, channels, store: tacticsStore ?? null };
}
