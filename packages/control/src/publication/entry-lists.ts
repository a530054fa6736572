import { createHash, createHmac } from 'node:crypto';
import { parseShareLink } from '@rozan/protocol';
import type { EntryList } from '@rozan/publication';
import { type Queries, sql } from '../database/database.ts';
import { PUBLICATION_BOUNDS, RELAY_BOUNDS } from '../limits.ts';
import type { EntrySigner } from '../relays/entry-signer.ts';
import type { RelayRow } from '../relays/relay-row.ts';
import { signEntry } from '../relays/settings.ts';

/** A relay that may be published, as one channel has it. */
interface Candidate extends RelayRow {
  readonly channel: string;
  readonly secret: Buffer;
  /** Whether it is blocked in some country. */
  readonly is_burnt: boolean;
}

interface BucketRow {
  readonly channel: string;
  readonly number: number;
  readonly key: Buffer;
}

/** The bucket of a channel. */
export interface BucketRef {
  readonly channel: string;
  readonly number: number;
}

/** A bucket with its list. */
export interface BucketList extends EntryList, BucketRef {}

/**
 * From when on an entry says that it holds: the same for a third of its time, so that lists which have not changed keep their bytes, and another moment
 * for each relay, so that they do not all change at once. In ms since 1970.
 */
export function issueTime(relay: string, nowMs: number): number {
  const periodMs = RELAY_BOUNDS.entryMs / 3;
  const phaseMs = createHash('sha256').update(relay).digest().readUInt32BE(0) % periodMs;
  return Math.floor((nowMs - phaseMs) / periodMs) * periodMs + phaseMs;
}

/**
 * The relays of a bucket: those that a hash under its key puts first (rendezvous hashing), so that each bucket has others where there are many relays,
 * and one that comes or goes changes little. A relay that is blocked somewhere comes after all that are not: a list is read in every country.
 */
export function relaysOf<T extends { readonly id: string; readonly is_burnt: boolean }>(
  key: Buffer,
  relays: readonly T[],
): T[] {
  const ranked = relays.map((relay) => ({
    relay,
    rank: createHmac('sha256', key).update(`rozan bucket relay\0${relay.id}`).digest(),
  }));
  const well = ranked.filter(({ relay }) => !relay.is_burnt).length;
  const count = Math.max(Math.min(well, PUBLICATION_BOUNDS.bucketRelays), PUBLICATION_BOUNDS.leastBucketRelays);
  return ranked
    .toSorted((a, b) => Number(a.relay.is_burnt) - Number(b.relay.is_burnt) || Buffer.compare(a.rank, b.rank))
    .slice(0, count)
    .map(({ relay }) => relay);
}

/** The lists of all buckets, or of one. */
export async function entryLists(
  queries: Queries,
  options: { readonly signer: EntrySigner; readonly nowMs: number; readonly only?: BucketRef },
): Promise<BucketList[]> {
  const { signer, nowMs, only } = options;
  const [channel, number] = [only?.channel ?? null, only?.number ?? null];
  const buckets = await queries.rows<BucketRow>(
    sql`select channel, number, key from buckets
        where (${channel}::text is null or (channel = ${channel} and number = ${number})) order by channel, number`,
  );
  const candidates = await queries.rows<Candidate>(
    sql`select r.*, s.channel, s.secret, exists(select from relay_burns b where b.relay = r.id) as is_burnt
        from access_secrets s join relays r on r.id = s.relay
        where s.ends_at is null and r.state in ('serving', 'discoverable')
          and (${channel}::text is null or s.channel = ${channel})`,
  );
  const byChannel = Map.groupBy(candidates, (candidate) => candidate.channel);
  const signed = new Map<string, Buffer>();
  const entryOf = ({ channel: of, secret, ...relay }: Candidate) => {
    const name = `${of} ${relay.id}`;
    const known = signed.get(name);
    const link = () => signEntry(signer, relay, { secret, channel: of, nowMs: issueTime(relay.id, nowMs) });
    const entry = known ?? parseShareLink(link());
    signed.set(name, entry);
    return entry;
  };
  return buckets.map((bucket) => ({
    ...bucket,
    entries: relaysOf(bucket.key, byChannel.get(bucket.channel) ?? []).map(entryOf),
  }));
}
