import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { countrySchema, DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { lockRelay, touchRelays } from '../../relays/relay-row.ts';

export const unburnRelay = defineRoute({
  method: 'DELETE',
  path: '/relays/:relay/burns/:country',
  command: 'relay unburn',
  summary: 'Note that a relay can be reached again in a country.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema, country: countrySchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries }) => {
    const { id } = await lockRelay(queries, params.relay);
    const healed = await queries.run(sql`delete from relay_burns where relay = ${id} and country = ${params.country}`);
    if (healed === 0) throw notFound('block in that country');
    await touchRelays(queries, [id]);
    return DONE;
  },
});
