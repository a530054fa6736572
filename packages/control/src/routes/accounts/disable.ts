import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, nameSchema } from '../../http/schemas.ts';

export const disableAccount = defineRoute({
  method: 'DELETE',
  path: '/accounts/:account',
  command: 'account disable',
  summary:
    'Let somebody in no more: sessions, tokens, passkeys and links of the account end. Its name stays in the audit log.',
  access: ['operator'],
  params: z.strictObject({ account: nameSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, caller, clock }) => {
    const account = await queries.first<{ id: string }>(
      sql`update accounts set disabled_at = coalesce(disabled_at, ${new Date(clock.wallMs())}), password_hash = null, totp_secret = null
          where name = ${params.account} returning id`,
    );
    if (account === null) throw notFound('account');
    if (account.id === caller.account) throw conflict('nobody can lock themselves out; another operator has to');
    const { id } = account;
    await queries.run(sql`delete from sessions where account = ${id}`);
    await queries.run(sql`delete from api_tokens where account = ${id}`);
    await queries.run(sql`delete from passkeys where account = ${id}`);
    await queries.run(sql`delete from login_links where account = ${id}`);
    return DONE;
  },
});
