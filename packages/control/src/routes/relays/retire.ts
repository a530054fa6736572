import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';

export const retireRelay = defineRoute({
  method: 'POST',
  path: '/relays/:relay/retire',
  command: 'relay retire',
  summary:
    'End a drained relay, or one that never served, for good. Its access secrets end; its credential is good for nothing but to be told so.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await moveBy(queries, params.relay, { move: { kind: 'retire' }, nowMs: clock.wallMs() });
    await queries.run(sql`delete from access_secrets where relay = ${id}`);
    return DONE;
  },
});
