import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { idSchema, timeSchema, timeText } from '../../http/schemas.ts';
import { HTTP_BOUNDS } from '../../limits.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly channels: string[];
  readonly expires_at: Date;
  readonly used_at: Date | null;
}

export const listEnrolments = defineRoute({
  method: 'GET',
  path: '/enrolment-tokens',
  command: 'enrolment list',
  summary: `The tokens by which relays enrol, the newest ${HTTP_BOUNDS.pageRows}; not what they are.`,
  access: ['operator'],
  reply: z.array(
    z.strictObject({
      id: idSchema,
      name: z.string(),
      channels: z.array(z.string()),
      expiresAt: timeSchema,
      usedAt: timeSchema.nullable(),
    }),
  ),
  handle: async (_input, { queries }) => {
    const rows = await queries.rows<Row>(
      sql`select id, name, channels, expires_at, used_at from enrolment_tokens
          order by created_at desc, id limit ${HTTP_BOUNDS.pageRows}`,
    );
    return rows.map(({ id, name, channels, expires_at, used_at }) => ({
      id,
      name,
      channels,
      expiresAt: timeText(expires_at),
      usedAt: timeText(used_at),
    }));
  },
});
