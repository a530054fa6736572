import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { conflict } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { createToken, hashToken } from '../../http/tokens.ts';

export const ownCredential = defineRoute({
  method: 'POST',
  path: '/relays/self/credential',
  command: null,
  summary:
    'A new credential for the relay that asks. The one that it asks with holds until it reports with the new one: a lost reply locks nobody out.',
  access: ['relay'],
  reply: z.strictObject({ credential: z.string() }),
  audit: () => ({ subject: 'own credential' }),
  handle: async (_input, { queries, caller, random }) => {
    const credential = createToken(random, 'relay');
    const changed = await queries.run(
      sql`update relays set credential_hash = ${hashToken(credential)}, former_credential_hash = ${caller.credential}
          where id = ${caller.relay} and state <> 'retired'`,
    );
    if (changed === 0) throw conflict('a retired relay gets no credential');
    return { credential };
  },
});
