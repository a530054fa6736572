import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute, ROLES } from '../../http/route.ts';

export const showMe = defineRoute({
  method: 'GET',
  path: '/me',
  command: 'whoami',
  summary: 'Who you are to the control plane.',
  access: ['setup', ...ROLES],
  reply: z.strictObject({
    name: z.string(),
    role: z.string(),
    hasPassword: z.boolean(),
    passkeys: z.number(),
    mustSetUp: z.boolean(),
  }),
  handle: async (_input, { queries, caller }) => {
    const row = await queries.first<{ role: string; has_password: boolean; passkeys: number }>(
      sql`select role, password_hash is not null as has_password,
            (select count(*) from passkeys where account = accounts.id) as passkeys
          from accounts where id = ${caller.account}`,
    );
    return {
      name: caller.name,
      role: row?.role ?? caller.kind,
      hasPassword: row?.has_password ?? false,
      passkeys: row?.passkeys ?? 0,
      mustSetUp: caller.kind === 'setup',
    };
  },
});
