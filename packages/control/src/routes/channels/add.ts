import { KEY_BYTES } from '@rozan/protocol';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, DONE, doneSchema, lineSchema } from '../../http/schemas.ts';
import { RELAY_BOUNDS } from '../../limits.ts';

export const addChannel = defineRoute({
  method: 'POST',
  path: '/channels',
  command: 'channel add',
  summary: 'A new channel: a way by which people learn of relays, its entries split into buckets.',
  access: ['operator'],
  changesPublication: true,
  body: z.strictObject({
    channel: channelIdSchema,
    buckets: z.number().int().min(1).max(RELAY_BOUNDS.buckets).default(1),
    note: lineSchema(200).optional(),
  }),
  reply: doneSchema,
  audit: ({ body }) => ({ subject: body.channel, details: { buckets: body.buckets } }),
  handle: async ({ body }, { queries, random, clock }) => {
    const now = new Date(clock.wallMs());
    await queries.run(
      sql`insert into channels (id, note, created_at) values (${body.channel}, ${body.note ?? ''}, ${now})`,
    );
    const keys = Array.from({ length: body.buckets }, () => random.bytes(KEY_BYTES));
    await queries.run(
      sql`insert into buckets (channel, number, key, created_at)
          select ${body.channel}, number - 1, key, ${now} from unnest(${keys}::bytea[]) with ordinality as k (key, number)`,
    );
    return DONE;
  },
});
