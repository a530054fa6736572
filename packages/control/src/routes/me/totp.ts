import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict } from '../../http/problem.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { createTotpSecret, totpUri } from '../../people/totp.ts';

export const newTotp = defineRoute({
  method: 'POST',
  path: '/me/totp',
  command: null,
  summary: 'A new secret for an authenticator app; it counts once a password is set with a code of it.',
  access: ['setup', ...ROLES],
  reply: z.strictObject({ secret: z.string(), uri: z.string() }),
  audit: null,
  handle: async (_input, { queries, caller }) => {
    if (caller.session === null) throw conflict('a password is chosen in a session, and not with a token');
    const secret = createTotpSecret();
    await queries.run(sql`update sessions set pending_totp = ${secret} where token_hash = ${caller.session}`);
    return { secret, uri: totpUri(secret, caller.name) };
  },
});
