import type { EntryTransport } from '@rozan/protocol';
import { type Queries, sql } from '../database/database.ts';
import { conflict, notFound } from '../http/problem.ts';
import type { DiscoveryWindow, RelayLife, RelayMove, RelayState } from './life-cycle.ts';
import { moveRelay } from './life-cycle.ts';

/** A relay as the database has it. */
export interface RelayRow {
  readonly id: string;
  readonly name: string;
  readonly key: Buffer;
  readonly signing_key: Buffer;
  readonly region: string | null;
  readonly transports: readonly EntryTransport[];
  readonly state: RelayState;
  readonly discoverable_from: Date | null;
  readonly discoverable_until: Date | null;
  readonly settings_version: number;
  readonly enrolled_at: Date;
}

/** Where a relay is in its life. */
export function lifeOf(row: Pick<RelayRow, 'state' | 'discoverable_from' | 'discoverable_until'>): RelayLife {
  const { state, discoverable_from: from, discoverable_until: until } = row;
  const window: DiscoveryWindow | null =
    from === null || until === null ? null : { fromMs: from.getTime(), untilMs: until.getTime() };
  return { state, window };
}

/** The relay with this name or id, locked against other changes. Throws a problem where there is none. */
export async function lockRelay(queries: Queries, ref: string): Promise<RelayRow> {
  const row = await queries.first<RelayRow>(
    sql`select * from relays where id = ${ref} or name = ${ref} order by id = ${ref} desc limit 1 for update`,
  );
  if (row === null) throw notFound('relay');
  return row;
}

/** The relay with this name or id. Throws a problem where there is none. */
export async function findRelay(queries: Queries, ref: string): Promise<RelayRow> {
  const row = await queries.first<RelayRow>(
    sql`select * from relays where id = ${ref} or name = ${ref} order by id = ${ref} desc limit 1`,
  );
  if (row === null) throw notFound('relay');
  return row;
}

/** Writes down where a relay is now in its life. */
export async function writeLife(queries: Queries, relay: string, { state, window }: RelayLife): Promise<void> {
  const from = window === null ? null : new Date(window.fromMs);
  const until = window === null ? null : new Date(window.untilMs);
  await queries.run(
    sql`update relays set state = ${state}, discoverable_from = ${from}, discoverable_until = ${until},
          settings_version = settings_version + 1 where id = ${relay}`,
  );
}

/** Moves a relay on in its life. Throws a problem where the life cycle has no such move from where it is. */
export async function moveBy(
  queries: Queries,
  ref: string,
  step: { move: RelayMove; nowMs: number },
): Promise<RelayRow> {
  const row = await lockRelay(queries, ref);
  const life = moveRelay(lifeOf(row), step.move, step.nowMs);
  if (life === null) throw conflict(`a relay that is ${row.state} cannot ${step.move.kind} like that`);
  await writeLife(queries, row.id, life);
  return row;
}

/** Has relays ask for their settings: something that they have to be told has changed. */
export async function touchRelays(queries: Queries, relays: readonly string[]): Promise<void> {
  await queries.run(sql`update relays set settings_version = settings_version + 1 where id = any(${relays})`);
}

/** The same for a relay whose keys or transports have changed, and for those that forward with it. */
export async function touchWithSiblings(queries: Queries, relay: string): Promise<void> {
  const siblings = await queries.rows<{ sibling: string }>(sql`select sibling from siblings where relay = ${relay}`);
  await touchRelays(queries, [relay, ...siblings.map(({ sibling }) => sibling)]);
}
