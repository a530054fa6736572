import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict } from '../../http/problem.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { idSchema, lineSchema, timeSchema } from '../../http/schemas.ts';
import { createToken, hashToken } from '../../http/tokens.ts';
import { HTTP_BOUNDS, LOGIN_BOUNDS } from '../../limits.ts';

const DAY_MS = 86_400_000;

export const addToken = defineRoute({
  method: 'POST',
  path: '/tokens',
  command: 'token add',
  summary: 'A token by which a program may do what you may, for so many days. It is shown once.',
  access: ROLES,
  body: z.strictObject({ name: lineSchema(60), days: z.number().int().min(1).max(LOGIN_BOUNDS.tokenDays) }),
  reply: z.strictObject({ id: idSchema, token: z.string(), expiresAt: timeSchema }),
  audit: ({ body }) => ({ subject: body.name, details: { days: body.days } }),
  handle: async ({ body }, { queries, caller, random, clock }) => {
    const count = await queries.first<{ count: number }>(
      sql`select count(*) as count from api_tokens where account = ${caller.account}`,
    );
    if ((count?.count ?? 0) >= HTTP_BOUNDS.pageRows) throw conflict('you have too many tokens: remove some first');
    const token = createToken(random, 'api');
    const nowMs = clock.wallMs();
    const expires = new Date(nowMs + body.days * DAY_MS);
    const row = await queries.first<{ id: string }>(
      sql`insert into api_tokens (account, name, token_hash, created_at, expires_at)
          values (${caller.account}, ${body.name}, ${hashToken(token)}, ${new Date(nowMs)}, ${expires}) returning id`,
    );
    return { id: row?.id ?? '', token, expiresAt: expires.toISOString() };
  },
});
