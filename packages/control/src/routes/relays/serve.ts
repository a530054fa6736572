import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';
import { giveSiblings } from '../../relays/sibling-store.ts';

export const serveRelay = defineRoute({
  method: 'POST',
  path: '/relays/:relay/serve',
  command: 'relay serve',
  summary: 'Put a tested relay, or a drained one, into service: its entries may be published, and it gets siblings.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await moveBy(queries, params.relay, { move: { kind: 'serve' }, nowMs: clock.wallMs() });
    await giveSiblings(queries, id);
    return DONE;
  },
});
