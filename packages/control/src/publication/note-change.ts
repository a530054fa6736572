import { type Queries, sql } from '../database/database.ts';
import { PUBLICATION_BOUNDS } from '../limits.ts';

/** Whoever changes something that is published says so, in the same transaction. */
export async function noteChange(queries: Queries, nowMs: number): Promise<void> {
  // Where nobody publishes they must not pile up. One that is left out is published with the rest, or a minute later.
  await queries.run(
    sql`insert into publication_changes (at) select ${new Date(nowMs)}
        where (select count(*) from (select from publication_changes limit ${PUBLICATION_BOUNDS.notedChanges}) noted) < ${PUBLICATION_BOUNDS.notedChanges}`,
  );
}
