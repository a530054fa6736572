import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';

export const noteTest = defineRoute({
  method: 'POST',
  path: '/relays/:relay/test',
  command: 'relay test-result',
  summary: 'What a real client has found: whether it could use the relay.',
  access: ['operator'],
  params: z.strictObject({ relay: relayRefSchema }),
  body: z.strictObject({ passed: z.boolean() }),
  reply: doneSchema,
  audit: ({ params, body }) => ({ subject: params.relay, details: { passed: body.passed } }),
  handle: async ({ params, body }, { queries, clock }) => {
    const move = { kind: 'test', hasPassed: body.passed } as const;
    await moveBy(queries, params.relay, { move, nowMs: clock.wallMs() });
    return DONE;
  },
});
