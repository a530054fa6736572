import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { nameSchema, roleSchema } from '../../http/schemas.ts';
import { createLoginLink } from '../../people/accounts.ts';

export const addAccount = defineRoute({
  method: 'POST',
  path: '/accounts',
  command: 'account add',
  summary: 'A new account; gives a link by which its owner chooses what to log in with, once and within a day.',
  access: ['operator'],
  body: z.strictObject({ name: nameSchema, role: roleSchema }),
  reply: z.strictObject({ name: nameSchema, link: z.string() }),
  audit: ({ body }) => ({ subject: body.name, details: { role: body.role } }),
  handle: async ({ body }, context) => {
    const { queries, clock, site } = context;
    const account = await queries.first<{ id: string }>(
      sql`insert into accounts (name, role, created_at) values (${body.name}, ${body.role}, ${new Date(clock.wallMs())})
          returning id`,
    );
    return { name: body.name, link: `${site.origin}/login#${await createLoginLink(context, account?.id ?? '')}` };
  },
});
