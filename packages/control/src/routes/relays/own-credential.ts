import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { createToken, hashToken } from '../../http/tokens.ts';

export const ownCredential = defineRoute({
  method: 'POST',
  path: '/relays/self/credential',
  command: null,
  summary: 'A new credential for the relay that asks; the one that it asks with ends.',
  access: ['relay'],
  reply: z.strictObject({ credential: z.string() }),
  audit: () => ({ subject: 'own credential' }),
  handle: async (_input, { queries, caller, random }) => {
    const credential = createToken(random, 'relay');
    await queries.run(sql`update relays set credential_hash = ${hashToken(credential)} where id = ${caller.relay}`);
    return { credential };
  },
});
