import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';

export const hideRelay = defineRoute({
  method: 'POST',
  path: '/relays/:relay/hide',
  command: 'relay hide',
  summary: 'Give a relay to no more clients that ask, before its window ends.',
  access: ['operator'],
  params: z.strictObject({ relay: relayRefSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    await moveBy(queries, params.relay, { move: { kind: 'hide' }, nowMs: clock.wallMs() });
    return DONE;
  },
});
