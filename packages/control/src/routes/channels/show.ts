import { encodeBase64url } from '@rozan/protocol';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, keySchema } from '../../http/schemas.ts';

export const showChannel = defineRoute({
  method: 'GET',
  path: '/channels/:channel',
  command: 'channel show',
  summary:
    "A channel with the keys of its buckets, for brand files, and its relays' names. Whoever has a key can read its bucket.",
  access: ['operator'],
  params: z.strictObject({ channel: channelIdSchema }),
  reply: z.strictObject({
    channel: channelIdSchema,
    note: z.string(),
    buckets: z.array(z.strictObject({ number: z.number(), key: keySchema })),
    relays: z.array(z.string()),
  }),
  handle: async ({ params: { channel } }, { queries }) => {
    const row = await queries.first<{ note: string }>(sql`select note from channels where id = ${channel}`);
    if (row === null) throw notFound('channel');
    const buckets = await queries.rows<{ number: number; key: Buffer }>(
      sql`select number, key from buckets where channel = ${channel} order by number`,
    );
    const relays = await queries.rows<{ name: string }>(
      sql`select r.name from access_secrets s join relays r on r.id = s.relay
          where s.channel = ${channel} and s.ends_at is null order by r.name`,
    );
    return {
      channel,
      note: row.note,
      buckets: buckets.map(({ number, key }) => ({ number, key: encodeBase64url(key) })),
      relays: relays.map(({ name }) => name),
    };
  },
});
