import { type Queries, sql } from '../database/database.ts';

/** What the network says of itself. */
export interface NetworkRow {
  readonly name: string;
  readonly mirrors: readonly string[];
  /** Home pages by country, or `*`. */
  readonly homes: { readonly [country: string]: string };
  /** age recipients. */
  readonly feedback: readonly string[];
  /** Keys that may sign tactics, base64url. */
  readonly tactics_keys: readonly string[];
}

/** The network as the database has it. */
export async function readNetwork(queries: Queries): Promise<NetworkRow> {
  const row = await queries.first<NetworkRow>(
    sql`select name, mirrors, homes, feedback, tactics_keys from network limit 1`,
  );
  if (row === null) throw new Error('the database holds no network');
  return row;
}
