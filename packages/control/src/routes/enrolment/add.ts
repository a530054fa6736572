import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, idSchema, nameSchema, timeSchema } from '../../http/schemas.ts';
import { createToken, hashToken } from '../../http/tokens.ts';
import { RELAY_BOUNDS } from '../../limits.ts';

export const addEnrolment = defineRoute({
  method: 'POST',
  path: '/enrolment-tokens',
  command: 'enrolment add',
  summary: 'A one-time token by which a relay of that name enrols, to serve these channels. It is shown once.',
  access: ['operator'],
  body: z.strictObject({
    name: nameSchema,
    channels: z.array(channelIdSchema).min(1).max(RELAY_BOUNDS.channels),
  }),
  reply: z.strictObject({ id: idSchema, token: z.string(), expiresAt: timeSchema }),
  audit: ({ body }) => ({ subject: body.name, details: { channels: body.channels } }),
  handle: async ({ body }, { queries, random, clock }) => {
    const channels = [...new Set(body.channels)];
    const found = await queries.rows(sql`select id from channels where id = any(${channels})`);
    if (found.length < channels.length) throw notFound('channel');
    const taken = await queries.first(sql`select id from relays where name = ${body.name}`);
    if (taken !== null) throw conflict('a relay has that name already');
    const token = createToken(random, 'enrol');
    const nowMs = clock.wallMs();
    const expires = new Date(nowMs + RELAY_BOUNDS.enrolmentMs);
    const row = await queries.first<{ id: string }>(
      sql`insert into enrolment_tokens (token_hash, name, channels, created_at, expires_at)
          values (${hashToken(token)}, ${body.name}, ${channels}, ${new Date(nowMs)}, ${expires}) returning id`,
    );
    return { id: row?.id ?? '', token, expiresAt: expires.toISOString() };
  },
});
