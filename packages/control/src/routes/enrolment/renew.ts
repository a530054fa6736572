import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { idSchema, relayRefSchema, timeSchema } from '../../http/schemas.ts';
import { createToken, hashToken } from '../../http/tokens.ts';
import { RELAY_BOUNDS } from '../../limits.ts';
import { lockRelay } from '../../relays/relay-row.ts';

export const renewEnrolment = defineRoute({
  method: 'POST',
  path: '/relays/:relay/enrolment-token',
  command: 'enrolment renew',
  summary:
    'A one-time token by which a relay that has lost its credential enrols again, with the key and name that it has. Its credential holds until then; other tokens of the kind end.',
  access: ['operator'],
  params: z.strictObject({ relay: relayRefSchema }),
  reply: z.strictObject({ id: idSchema, token: z.string(), expiresAt: timeSchema }),
  audit: ({ params }) => ({ subject: params.relay }),
  handle: async ({ params }, { queries, random, clock }) => {
    const relay = await lockRelay(queries, params.relay);
    if (relay.state === 'retired') throw conflict('a relay that is retired is so for good');
    // One that was used lets the same relay in again, until it expires: it goes with the credential that it gave.
    await queries.run(sql`delete from enrolment_tokens where relay = ${relay.id}`);
    const token = createToken(random, 'enrol');
    const nowMs = clock.wallMs();
    const expires = new Date(nowMs + RELAY_BOUNDS.enrolmentMs);
    const row = await queries.first<{ id: string }>(
      sql`insert into enrolment_tokens (token_hash, name, channels, relay, created_at, expires_at)
          values (${hashToken(token)}, ${relay.name}, ${[]}, ${relay.id}, ${new Date(nowMs)}, ${expires}) returning id`,
    );
    return { id: row?.id ?? '', token, expiresAt: expires.toISOString() };
  },
});
