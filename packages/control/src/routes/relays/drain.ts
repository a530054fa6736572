import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { moveBy } from '../../relays/relay-row.ts';
import { takeSiblings } from '../../relays/sibling-store.ts';

export const drainRelay = defineRoute({
  method: 'POST',
  path: '/relays/:relay/drain',
  command: 'relay drain',
  summary: 'Have a relay take no new sessions. Its siblings get others in its place.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await moveBy(queries, params.relay, { move: { kind: 'drain' }, nowMs: clock.wallMs() });
    await takeSiblings(queries, id);
    return DONE;
  },
});
