import { decodeBase64url, relayId } from '@rozan/protocol';
import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { keySchema, transportsSchema } from '../../http/schemas.ts';
import { touchWithSiblings } from '../../relays/relay-row.ts';
import { relaySettings, relaySettingsSchema } from '../../relays/settings.ts';

export const ownKeys = defineRoute({
  method: 'PUT',
  path: '/relays/self/keys',
  command: null,
  summary: 'New keys or transports of the relay that asks. Its id is that of its key. Its siblings are told.',
  access: ['relay'],
  changesPublication: true,
  body: z.strictObject({ key: keySchema, signingKey: keySchema, transports: transportsSchema }),
  reply: relaySettingsSchema,
  audit: (_input, { relay }) => ({ subject: relay }),
  handle: async ({ body }, { queries, caller, clock, signer }) => {
    const key = decodeBase64url(body.key);
    const id = relayId(key);
    const changed = await queries.run(
      sql`update relays set id = ${id}, key = ${key}, signing_key = ${decodeBase64url(body.signingKey)},
            transports = ${JSON.stringify(body.transports)} where id = ${caller.relay} and state <> 'retired'`,
    );
    if (changed === 0) throw conflict('a retired relay has no other keys');
    await touchWithSiblings(queries, id);
    return relaySettings(queries, id, { signer, nowMs: clock.wallMs() });
  },
});
