import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { nameSchema } from '../../http/schemas.ts';
import { createLoginLink } from '../../people/accounts.ts';

export const linkAccount = defineRoute({
  method: 'POST',
  path: '/accounts/:account/link',
  command: 'account link',
  summary: 'Another one-time login link for somebody who has lost what they log in with. Links from before end.',
  access: ['operator'],
  params: z.strictObject({ account: nameSchema }),
  reply: z.strictObject({ link: z.string() }),
  handle: async ({ params }, context) => {
    const account = await context.queries.first<{ id: string }>(
      sql`select id from accounts where name = ${params.account} and disabled_at is null for update`,
    );
    if (account === null) throw notFound('account');
    return { link: `${context.site.origin}/login#${await createLoginLink(context, account.id)}` };
  },
});
