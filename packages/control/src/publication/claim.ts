import type { Database } from '../database/database.ts';

/** Names the lock that whoever publishes holds; nothing else in the database has these numbers. */
const CLAIM = [0x726f7a, 1] as const;

/**
 * Claims the publication of the network for one of its control planes; null where another has it now. It ends with the claim, or with the connection to
 * the database: whoever is killed leaves it to the next at once. Throws what the database says when it cannot be asked.
 */
export async function claimPublication({ pool }: Pick<Database, 'pool'>): Promise<AsyncDisposable | null> {
  const client = await pool.connect();
  let isOurs: boolean;
  try {
    const { rows } = await client.query<{ ours: boolean }>('select pg_try_advisory_lock($1, $2) as ours', [...CLAIM]);
    isOurs = rows[0]?.ours ?? false;
  } catch (error) {
    client.release(true);
    throw error;
  }
  if (!isOurs) {
    client.release();
    return null;
  }
  return {
    [Symbol.asyncDispose]: async () => {
      // A connection that cannot give the lock back must not go on with it.
      const isBroken = await client.query('select pg_advisory_unlock($1, $2)', [...CLAIM]).then(
        () => false,
        () => true,
      );
      client.release(isBroken);
    },
  };
}
