import { z } from 'zod';
import { type Queries, sql } from '../../database/database.ts';
import { nameSchema, relayIdSchema, stateSchema, timeSchema, timeText } from '../../http/schemas.ts';
import { RELAY_BOUNDS } from '../../limits.ts';
import type { RelayRow } from '../../relays/relay-row.ts';
import { reportSchema } from '../../relays/report.ts';

/** A relay as the people of a network see it: no keys, no secrets, no addresses. */
export const relayReplySchema = z.strictObject({
  id: relayIdSchema,
  name: nameSchema,
  state: stateSchema,
  region: z.string().nullable(),
  transports: z.array(z.string()),
  discoverableFrom: timeSchema.nullable(),
  discoverableUntil: timeSchema.nullable(),
  enrolledAt: timeSchema,
  /** Countries in which it is blocked. */
  burnt: z.array(z.string()),
  reportedAt: timeSchema.nullable(),
  /** Whether it has missed three reports. */
  isSilent: z.boolean(),
  report: reportSchema.nullable(),
});

type RelayReply = z.input<typeof relayReplySchema>;

interface ShownRow extends RelayRow {
  readonly burnt: readonly string[];
  readonly reported_at: Date | null;
  readonly report: z.input<typeof reportSchema> | null;
}

function replyOf(row: ShownRow, nowMs: number): RelayReply {
  const { id, name, state, region, burnt, report } = row;
  const reportedMs = row.reported_at?.getTime() ?? row.enrolled_at.getTime();
  return {
    id,
    name,
    state,
    region,
    transports: row.transports.map(({ transport }) => transport),
    discoverableFrom: timeText(row.discoverable_from),
    discoverableUntil: timeText(row.discoverable_until),
    enrolledAt: timeText(row.enrolled_at),
    burnt: [...burnt],
    reportedAt: timeText(row.reported_at),
    isSilent: state !== 'retired' && nowMs - reportedMs > RELAY_BOUNDS.silentMs,
    report,
  };
}

/** The relay with an id, or those behind `after` in the order of their names. */
export async function relayReplies(
  queries: Queries,
  options: { readonly id?: string; readonly after?: string; readonly limit: number; readonly nowMs: number },
): Promise<RelayReply[]> {
  const { id = null, after = '', limit, nowMs } = options;
  const rows = await queries.rows<ShownRow>(
    sql`select r.*, p.at as reported_at, p.report,
          array(select country from relay_burns where relay = r.id order by country) as burnt
        from relays r left join relay_reports p on p.relay = r.id
        where (${id}::text is null or r.id = ${id}) and r.name > ${after} order by r.name limit ${limit}`,
  );
  return rows.map((row) => replyOf(row, nowMs));
}
