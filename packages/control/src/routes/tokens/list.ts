import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { idSchema, timeSchema, timeText } from '../../http/schemas.ts';

interface Row {
  readonly id: string;
  readonly name: string;
  readonly created_at: Date;
  readonly expires_at: Date | null;
}

export const listTokens = defineRoute({
  method: 'GET',
  path: '/tokens',
  command: 'token list',
  summary: 'Your tokens; not what they are.',
  access: ROLES,
  reply: z.array(
    z.strictObject({ id: idSchema, name: z.string(), createdAt: timeSchema, expiresAt: timeSchema.nullable() }),
  ),
  handle: async (_input, { queries, caller }) => {
    const rows = await queries.rows<Row>(
      sql`select id, name, created_at, expires_at from api_tokens where account = ${caller.account} order by created_at, id`,
    );
    return rows.map(({ id, name, created_at, expires_at }) => ({
      id,
      name,
      createdAt: timeText(created_at),
      expiresAt: timeText(expires_at),
    }));
  },
});
