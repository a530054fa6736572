import type { Log } from '@rozan/tunnel';
import { Pool, type PoolClient, type PoolConfig, types } from 'pg';
import { DATABASE_BOUNDS } from '../limits.ts';

/** PostgreSQL's type of whole numbers of 64 bits; ours stay below 2^53. */
const INT8 = 20;
/** What PostgreSQL says when two transactions were in each other's way, and neither is to blame. */
const CONFLICTS: ReadonlySet<string> = new Set(['40001', '40P01', '55P03']);

/** A statement with its values apart, so that none can be taken for SQL. */
export interface Sql {
  readonly text: string;
  readonly values: readonly unknown[];
}

/** Writes a statement: what stands in `${…}` becomes a value of it. */
export function sql(strings: readonly string[], ...values: readonly unknown[]): Sql {
  return { text: strings.reduce((text, part, index) => `${text}$${index}${part}`), values };
}

/** What can be asked of a database, inside a transaction or outside. */
export interface Queries {
  /** The rows that a statement gives. `Row` is what the statement says. */
  rows<Row extends object>(statement: Sql): Promise<Row[]>;
  /** The first row, or null. */
  first<Row extends object>(statement: Sql): Promise<Row | null>;
  /** Runs a statement; gives how many rows it has touched. */
  run(statement: Sql): Promise<number>;
}

/** An open database. */
export interface Database extends Queries, AsyncDisposable {
  /** For libraries that have statements of their own. */
  readonly pool: Pool;
  /** Runs all of `work` or nothing; again from the start when another transaction was in its way. */
  transaction<T>(work: (queries: Queries) => Promise<T>): Promise<T>;
}

/** What PostgreSQL calls an error; null for those that are not its. */
export function sqlState(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** Whether the database could not be asked at all. */
export function isUnreachable(error: unknown): boolean {
  const code = sqlState(error);
  if (code !== null) return /^(08|57P0|53300|ECONN|ENOENT|EPIPE|ETIMEDOUT|EACCES)/.test(code);
  return (
    error instanceof Error && /^(Connection terminated|timeout exceeded|Client has encountered)/.test(error.message)
  );
}

function queriesOf(client: Pick<PoolClient, 'query'>): Queries {
  const ask = (statement: Sql) => client.query(statement.text, [...statement.values]);
  return {
    rows: async (statement) => (await ask(statement)).rows,
    first: async (statement) => (await ask(statement)).rows[0] ?? null,
    run: async (statement) => (await ask(statement)).rowCount ?? 0,
  };
}

async function attempt<T>(pool: Pool, work: (queries: Queries) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let isBroken = false;
  try {
    await client.query('begin');
    const result = await work(queriesOf(client));
    await client.query('commit');
    return result;
  } catch (error) {
    await client.query('rollback').catch(() => {
      isBroken = true;
    });
    throw error;
  } finally {
    client.release(isBroken);
  }
}

/** Opens a database; connections are made when they are needed. `config`: where it is. */
export function openDatabase(config: PoolConfig, log: Log): Database {
  const pool = new Pool({
    ...config,
    max: DATABASE_BOUNDS.connections,
    connectionTimeoutMillis: DATABASE_BOUNDS.connectMs,
    statement_timeout: DATABASE_BOUNDS.statementMs,
    lock_timeout: DATABASE_BOUNDS.lockMs,
    idle_in_transaction_session_timeout: DATABASE_BOUNDS.idleInTransactionMs,
    types: {
      getTypeParser: (oid, format) => (oid === INT8 ? Number : types.getTypeParser(oid, format)),
    },
  });
  // A connection that dies while nobody uses it is replaced by the next that is asked for.
  pool.on('error', () => log({ event: 'database.connection-lost' }));
  // One that dies while it is used makes its statement fail, which tells whoever waits for that.
  pool.on('connect', (client) => client.on('error', () => {}));
  return {
    ...queriesOf(pool),
    pool,
    transaction: async (work) => {
      for (let tries = 1; ; tries += 1) {
        try {
          return await attempt(pool, work);
        } catch (error) {
          if (tries === DATABASE_BOUNDS.tries || !CONFLICTS.has(sqlState(error) ?? '')) throw error;
        }
      }
    },
    [Symbol.asyncDispose]: () => pool.end(),
  };
}
