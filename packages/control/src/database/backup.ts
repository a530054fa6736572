import { z } from 'zod';
import { ControlError } from '../control-error.ts';
import { type Database, type Queries, sql } from './database.ts';
import { databaseVersion, migrateWithin } from './migrate.ts';

const FORMAT = 'rozan control backup';
const FORMAT_VERSION = 1;
const ROWS_AT_ONCE = 500;

/** All that is kept, in an order in which each table comes after those that it refers to. What is due is known again from the rest. */
export const TABLES = [
  'accounts',
  'passkeys',
  'login_links',
  'sessions',
  'challenges',
  'api_tokens',
  'audit',
  'channels',
  'buckets',
  'relays',
  'relay_burns',
  'access_secrets',
  'siblings',
  'relay_reports',
  'enrolment_tokens',
  'network',
  'publication',
] as const;
/** What every new database holds a row of. */
const SEEDED: readonly string[] = ['network', 'publication'];

const headSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(FORMAT_VERSION),
  /** Of the database. */
  schema: z.number().int().min(1),
  /** The private entry key of the network, hex. */
  entryKey: z.string().regex(/^[0-9a-f]{64}$/),
});
const rowSchema = z.object({ table: z.enum(TABLES), row: z.record(z.string(), z.json()) });
const endSchema = z.object({ rows: z.number().int().min(0) });

type Row = z.output<typeof rowSchema>['row'];

function refused(message: string, options?: ErrorOptions & { readonly remedy?: string }): ControlError {
  return new ControlError('backup-refused', message, options);
}

async function* rowsOf(queries: Queries, table: string): AsyncGenerator<string> {
  await queries.run({
    text: `declare kept no scroll cursor for select row_to_json(t)::text as row from ${table} t`,
    values: [],
  });
  for (;;) {
    const rows = await queries.rows<{ row: string }>({ text: `fetch ${ROWS_AT_ONCE} from kept`, values: [] });
    if (rows.length === 0) break;
    for (const { row } of rows) yield row;
  }
  await queries.run(sql`close kept`);
}

/**
 * Writes a database as lines of JSON, all of them of one moment; `write` gets one after the other. `entryKey`: the network's private one. Gives the
 * number of rows.
 */
export async function writeBackup(
  database: Database,
  options: { readonly entryKey: Buffer; readonly write: (line: string) => Promise<void> },
): Promise<number> {
  const { entryKey, write } = options;
  return database.transaction(async (queries) => {
    await queries.run(sql`set transaction isolation level repeatable read, read only`);
    const schema = await databaseVersion(queries);
    await write(
      JSON.stringify({ format: FORMAT, version: FORMAT_VERSION, schema, entryKey: entryKey.toString('hex') }),
    );
    let count = 0;
    for (const table of TABLES) {
      for await (const row of rowsOf(queries, table)) {
        await write(`{"table":"${table}","row":${row}}`);
        count += 1;
      }
    }
    await write(JSON.stringify({ rows: count }));
    return count;
  });
}

function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw refused('the backup is not whole', { cause });
  }
}

async function insert(queries: Queries, table: string, rows: readonly Row[]): Promise<void> {
  if (rows.length === 0) return;
  await queries.run({
    text: `insert into ${table} overriding system value select * from jsonb_populate_recordset(null::${table}, $1)`,
    values: [JSON.stringify(rows)],
  });
}

async function insertAll(queries: Queries, lines: AsyncIterable<string>): Promise<number> {
  let count = 0;
  let table = '';
  let rows: Row[] = [];
  for await (const line of lines) {
    const value = parseLine(line);
    const end = endSchema.safeParse(value);
    if (end.success) {
      await insert(queries, table, rows);
      if (end.data.rows !== count) throw refused('the backup is not whole: rows are missing');
      return count;
    }
    const parsed = rowSchema.safeParse(value);
    if (!parsed.success) throw refused('the backup holds what is not known here');
    if (parsed.data.table !== table || rows.length >= ROWS_AT_ONCE) {
      await insert(queries, table, rows);
      rows = [];
    }
    table = parsed.data.table;
    rows.push(parsed.data.row);
    count += 1;
  }
  throw refused('the backup is not whole: its end is missing');
}

/**
 * Makes an empty database that of a backup, as a whole or not at all. `onEntryKey` gets the network's private entry key before that is so.
 * Throws `backup-refused`, also where there is a network in the database already.
 */
export async function readBackup(
  database: Database,
  options: { readonly lines: AsyncIterable<string>; readonly onEntryKey: (key: Buffer) => Promise<void> },
): Promise<number> {
  const lines = options.lines[Symbol.asyncIterator]();
  const first = await lines.next();
  const head = headSchema.safeParse(first.done === true ? null : parseLine(first.value));
  if (!head.success) throw refused('that is no backup of a control plane');
  return database.transaction(async (queries) => {
    if ((await databaseVersion(queries)) > 0) {
      throw refused('there is a network in that database already', {
        remedy: 'Name an empty folder with --data DIR, and an empty database with DATABASE_URL if you use one.',
      });
    }
    await migrateWithin(queries, head.data.schema);
    const seeded = await queries.rows<{ name: string }>(
      sql`select table_name as name from information_schema.tables where table_schema = 'public' and table_name = any(${SEEDED})`,
    );
    for (const { name } of seeded) await queries.run({ text: `delete from ${name}`, values: [] });
    const count = await insertAll(queries, { [Symbol.asyncIterator]: () => lines });
    await queries.run(
      sql`select setval(pg_get_serial_sequence('audit', 'id'), (select coalesce(max(id), 0) + 1 from audit), false)`,
    );
    await options.onEntryKey(Buffer.from(head.data.entryKey, 'hex'));
    return count;
  });
}
