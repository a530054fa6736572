import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict, notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { lockRelay } from '../../relays/relay-row.ts';
import { joinChannel } from '../../relays/secrets.ts';

export const joinRelay = defineRoute({
  method: 'PUT',
  path: '/relays/:relay/channels/:channel',
  command: 'relay join',
  summary: 'Have a relay serve a channel, under an access secret of its own.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema, channel: channelIdSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, random, clock }) => {
    const { id, state } = await lockRelay(queries, params.relay);
    if (state === 'retired') throw conflict('a retired relay serves no channel');
    const channel = await queries.first(sql`select id from channels where id = ${params.channel} for share`);
    if (channel === null) throw notFound('channel');
    await joinChannel(queries, { relay: id, channel: params.channel, random, nowMs: clock.wallMs() });
    return DONE;
  },
});
