import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notLetIn } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { tokenSchema } from '../../http/schemas.ts';
import { hashToken } from '../../http/tokens.ts';
import { beginSession } from '../../people/accounts.ts';

export const loginByLink = defineRoute({
  method: 'POST',
  path: '/login/link',
  command: null,
  summary: 'Come by a one-time link; the session that begins may only choose a password or a passkey.',
  access: ['anyone'],
  isGuessable: true,
  body: z.strictObject({ token: tokenSchema }),
  reply: z.strictObject({ account: z.string(), csrf: z.string() }),
  audit: (_input, { account }) => ({ subject: account }),
  handle: async ({ body }, context) => {
    const account = await context.queries.first<{ id: string; name: string }>(
      sql`with used as (delete from login_links where token_hash = ${hashToken(body.token)} returning account, expires_at)
          select a.id, a.name from used join accounts a on a.id = used.account
          where used.expires_at > ${new Date(context.clock.wallMs())} and a.disabled_at is null`,
    );
    if (account === null) throw notLetIn();
    return beginSession(context, account, true);
  },
});
