import { z } from 'zod';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { relayRefSchema } from '../../http/schemas.ts';
import { findRelay } from '../../relays/relay-row.ts';
import { relayReplies, relayReplySchema } from './relay-reply.ts';

export const showRelay = defineRoute({
  method: 'GET',
  path: '/relays/:relay',
  command: 'relay show',
  summary: 'One relay.',
  access: ['operator', 'analyst'],
  params: z.strictObject({ relay: relayRefSchema }),
  reply: relayReplySchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await findRelay(queries, params.relay);
    const [reply] = await relayReplies(queries, { id, limit: 1, nowMs: clock.wallMs() });
    if (reply === undefined) throw notFound('relay');
    return reply;
  },
});
