import { type Queries, sql } from '../database/database.ts';
import { RELAY_BOUNDS } from '../limits.ts';
import { touchRelays } from './relay-row.ts';
import { chooseSiblings, type SiblingCandidate } from './siblings.ts';

/** Names the lock under which siblings are chosen, one relay after the other: two at a time could give a third too many. */
const LOCK = 7_245_110_963;

/** Gives a relay siblings, as many as it may have and there are. Both sides are told. */
export async function giveSiblings(queries: Queries, relay: string): Promise<void> {
  await queries.run(sql`select pg_advisory_xact_lock(${LOCK})`);
  const candidates = await queries.rows<SiblingCandidate>(
    sql`select id, region, (select count(*) from siblings where relay = relays.id) as siblings from relays
        where (state in ('serving', 'discoverable') or id = ${relay})
          and not exists (select from siblings where relay = ${relay} and sibling = relays.id)`,
  );
  const own = candidates.find(({ id }) => id === relay);
  if (own === undefined) return;
  const chosen = chooseSiblings(own, candidates, RELAY_BOUNDS.siblings);
  if (chosen.length === 0) return;
  await queries.run(
    sql`insert into siblings (relay, sibling)
        select ${relay}, id from unnest(${chosen}::text[]) as id union all select id, ${relay} from unnest(${chosen}::text[]) as id`,
  );
  await touchRelays(queries, [relay, ...chosen]);
}

/** Takes a relay away from its siblings, which are told, and get others in its place. */
export async function takeSiblings(queries: Queries, relay: string): Promise<void> {
  await queries.run(sql`select pg_advisory_xact_lock(${LOCK})`);
  const left = await queries.rows<{ sibling: string }>(
    sql`delete from siblings where relay = ${relay} returning sibling`,
  );
  await queries.run(sql`delete from siblings where sibling = ${relay}`);
  const others = left.map(({ sibling }) => sibling);
  await touchRelays(queries, [relay, ...others]);
  for (const other of others) await giveSiblings(queries, other);
}
