import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { nameSchema, roleSchema, timeSchema, timeText } from '../../http/schemas.ts';

interface Row {
  readonly name: string;
  readonly role: 'operator' | 'analyst' | 'partner';
  readonly has_password: boolean;
  readonly passkeys: number;
  readonly created_at: Date;
  readonly disabled_at: Date | null;
}

export const listAccounts = defineRoute({
  method: 'GET',
  path: '/accounts',
  command: 'account list',
  summary: 'The accounts.',
  access: ['operator'],
  reply: z.array(
    z.strictObject({
      name: nameSchema,
      role: roleSchema,
      hasPassword: z.boolean(),
      passkeys: z.number(),
      createdAt: timeSchema,
      disabledAt: timeSchema.nullable(),
    }),
  ),
  handle: async (_input, { queries }) => {
    const rows = await queries.rows<Row>(
      sql`select name, role, password_hash is not null as has_password, created_at, disabled_at,
            (select count(*) from passkeys where account = a.id) as passkeys from accounts a order by name`,
    );
    return rows.map(({ name, role, has_password, passkeys, created_at, disabled_at }) => ({
      name,
      role,
      hasPassword: has_password,
      passkeys,
      createdAt: timeText(created_at),
      disabledAt: timeText(disabled_at),
    }));
  },
});
