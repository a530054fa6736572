import { z } from 'zod';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { channelIdSchema, relayRefSchema } from '../../http/schemas.ts';
import { findRelay } from '../../relays/relay-row.ts';
import { secretsOf } from '../../relays/secrets.ts';
import { signEntry } from '../../relays/settings.ts';

export const relayEntry = defineRoute({
  method: 'GET',
  path: '/relays/:relay/channels/:channel/entry',
  command: 'relay entry',
  summary:
    "A relay's server entry for a channel, signed by the network's entry key, as a rozan:// link. Whoever has it can find the relay.",
  access: ['operator'],
  params: z.strictObject({ relay: relayRefSchema, channel: channelIdSchema }),
  reply: z.strictObject({ link: z.string() }),
  handle: async ({ params: { relay, channel } }, { queries, clock, signer }) => {
    const row = await findRelay(queries, relay);
    const nowMs = clock.wallMs();
    const secrets = await secretsOf(queries, row.id, nowMs);
    const current = secrets.find((secret) => secret.channel === channel && secret.ends_at === null);
    if (current === undefined) throw notFound('channel of that relay');
    return { link: signEntry(signer, row, { secret: current.secret, channel, nowMs }) };
  },
});
