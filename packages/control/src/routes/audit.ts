import { z } from 'zod';
import { sql } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';
import { timeSchema, timeText } from '../http/schemas.ts';
import { HTTP_BOUNDS } from '../limits.ts';

interface Row {
  readonly id: number;
  readonly at: Date;
  readonly actor: string;
  readonly action: string;
  readonly subject: string;
  readonly details: { readonly [name: string]: unknown };
}

export const listAudit = defineRoute({
  method: 'GET',
  path: '/audit',
  command: 'audit list',
  summary: `What was done, by whom and when: the newest ${HTTP_BOUNDS.pageRows} lines, or those before a number.`,
  access: ['operator'],
  query: z.strictObject({ before: z.coerce.number().int().min(1).max(Number.MAX_SAFE_INTEGER).optional() }),
  reply: z.array(
    z.strictObject({
      id: z.number(),
      at: timeSchema,
      actor: z.string(),
      action: z.string(),
      subject: z.string(),
      details: z.record(z.string(), z.json()),
    }),
  ),
  handle: async ({ query }, { queries }) => {
    const rows = await queries.rows<Row>(
      sql`select * from audit where ${query.before ?? null}::bigint is null or id < ${query.before ?? null}
          order by id desc limit ${HTTP_BOUNDS.pageRows}`,
    );
    return rows.map((row) => ({
      ...row,
      at: timeText(row.at),
      details: z.record(z.string(), z.json()).parse(row.details),
    }));
  },
});
