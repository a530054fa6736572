import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, DONE, doneSchema } from '../../http/schemas.ts';

export const removeChannel = defineRoute({
  method: 'DELETE',
  path: '/channels/:channel',
  command: 'channel remove',
  summary: 'Remove a channel that no relay serves any more.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ channel: channelIdSchema }),
  reply: doneSchema,
  handle: async ({ params: { channel } }, { queries }) => {
    const locked = await queries.first(sql`select id from channels where id = ${channel} for update`);
    if (locked === null) throw notFound('channel');
    const serving = await queries.first(
      sql`select relay from access_secrets where channel = ${channel} and ends_at is null limit 1`,
    );
    if (serving !== null) throw conflict('relays serve that channel: have them leave it first (relay leave)');
    await queries.run(sql`delete from channels where id = ${channel}`);
    return DONE;
  },
});
