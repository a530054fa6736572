import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema, timeSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';

export const discoverRelay = defineRoute({
  method: 'POST',
  path: '/relays/:relay/discover',
  command: 'relay discover',
  summary: 'Give a serving relay to clients that ask for more, between two moments.',
  access: ['operator'],
  params: z.strictObject({ relay: relayRefSchema }),
  body: z.strictObject({ from: timeSchema, until: timeSchema }),
  reply: doneSchema,
  audit: ({ params, body }) => ({ subject: params.relay, details: body }),
  handle: async ({ params, body }, { queries, clock }) => {
    const window = { fromMs: Date.parse(body.from), untilMs: Date.parse(body.until) };
    await moveBy(queries, params.relay, { move: { kind: 'discover', window }, nowMs: clock.wallMs() });
    return DONE;
  },
});
