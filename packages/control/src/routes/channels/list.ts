import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema } from '../../http/schemas.ts';

interface Row {
  readonly channel: string;
  readonly note: string;
  readonly buckets: number;
  readonly relays: number;
}

export const listChannels = defineRoute({
  method: 'GET',
  path: '/channels',
  command: 'channel list',
  summary: 'The channels, with how many buckets each has and how many relays serve it.',
  access: ['operator', 'analyst'],
  reply: z.array(
    z.strictObject({ channel: channelIdSchema, note: z.string(), buckets: z.number(), relays: z.number() }),
  ),
  handle: (_input, { queries }) =>
    queries.rows<Row>(
      sql`select id as channel, note, (select count(*) from buckets where channel = c.id) as buckets,
            (select count(*) from access_secrets where channel = c.id and ends_at is null) as relays
          from channels c order by id`,
    ),
});
