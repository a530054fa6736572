import { z } from 'zod';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { lockRelay } from '../../relays/relay-row.ts';
import { endSecret } from '../../relays/secrets.ts';

export const leaveRelay = defineRoute({
  method: 'DELETE',
  path: '/relays/:relay/channels/:channel',
  command: 'relay leave',
  summary: 'Have a relay serve a channel no more, from now on.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema, channel: channelIdSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await lockRelay(queries, params.relay);
    const ended = await endSecret(queries, { relay: id, channel: params.channel, endsMs: clock.wallMs() });
    if (ended === 0) throw notFound('channel of that relay');
    return DONE;
  },
});
