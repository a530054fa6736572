import { z } from 'zod';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, DONE, doneSchema, relayRefSchema } from '../../http/schemas.ts';
import { lockRelay } from '../../relays/relay-row.ts';
import { endSecret, joinChannel } from '../../relays/secrets.ts';

const HOUR_MS = 3_600_000;
/** As long as entries with the former secret may be in use; 0 where it has leaked and is cut off at once. */
const MAX_HOURS = 24 * 90;

export const rotateSecret = defineRoute({
  method: 'POST',
  path: '/relays/:relay/channels/:channel/secret',
  command: 'relay rotate-secret',
  summary: 'A new access secret for a channel at a relay. The former one is taken for some hours more.',
  access: ['operator'],
  changesPublication: true,
  params: z.strictObject({ relay: relayRefSchema, channel: channelIdSchema }),
  body: z.strictObject({ keepHours: z.number().int().min(0).max(MAX_HOURS) }),
  reply: doneSchema,
  audit: ({ params, body }) => ({ subject: `${params.relay} ${params.channel}`, details: body }),
  handle: async ({ params, body }, { queries, random, clock }) => {
    const nowMs = clock.wallMs();
    const { id } = await lockRelay(queries, params.relay);
    const place = { relay: id, channel: params.channel };
    const ended = await endSecret(queries, { ...place, endsMs: nowMs + body.keepHours * HOUR_MS });
    if (ended === 0) throw notFound('channel of that relay');
    await joinChannel(queries, { ...place, random, nowMs });
    return DONE;
  },
});
