import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { countrySchema, DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { lockRelay, touchRelays } from '../../relays/relay-row.ts';

export const burnRelay = defineRoute({
  method: 'PUT',
  path: '/relays/:relay/burns/:country',
  command: 'relay burn',
  summary: 'Note that a relay is blocked in a country: people there get no more entries of it.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema, country: countrySchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, clock }) => {
    const { id } = await lockRelay(queries, params.relay);
    await queries.run(
      sql`insert into relay_burns (relay, country, since) values (${id}, ${params.country}, ${new Date(clock.wallMs())})
          on conflict do nothing`,
    );
    await touchRelays(queries, [id]);
    return DONE;
  },
});
