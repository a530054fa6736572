import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { nameSchema } from '../../http/schemas.ts';
import { HTTP_BOUNDS } from '../../limits.ts';
import { relayReplies, relayReplySchema } from './relay-reply.ts';

export const listRelays = defineRoute({
  method: 'GET',
  path: '/relays',
  command: 'relay list',
  summary: `The relays in the order of their names, at most ${HTTP_BOUNDS.pageRows} behind the name that is given.`,
  access: ['operator', 'analyst'],
  query: z.strictObject({ after: nameSchema.optional() }),
  reply: z.array(relayReplySchema),
  handle: ({ query }, { queries, clock }) =>
    relayReplies(queries, {
      ...(query.after === undefined ? {} : { after: query.after }),
      limit: HTTP_BOUNDS.pageRows,
      nowMs: clock.wallMs(),
    }),
});
