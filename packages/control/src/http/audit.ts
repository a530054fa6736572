import { type Queries, sql } from '../database/database.ts';
import type { AuditNote } from './route.ts';

/** A line of the audit log. */
export interface AuditEntry extends AuditNote {
  readonly actor: string;
  readonly action: string;
  readonly atMs: number;
}

/** Writes down what somebody has done; in the transaction in which it is done. */
export async function writeAudit(queries: Queries, entry: AuditEntry): Promise<void> {
  const { actor, action, subject, details = {}, atMs } = entry;
  await queries.run(
    sql`insert into audit (at, actor, action, subject, details)
        values (${new Date(atMs)}, ${actor}, ${action}, ${subject}, ${JSON.stringify(details)})`,
  );
}
