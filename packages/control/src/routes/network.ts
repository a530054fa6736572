import { z } from 'zod';
import { sql } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';
import { keySchema } from '../http/schemas.ts';

export const showNetwork = defineRoute({
  method: 'GET',
  path: '/network',
  command: 'network show',
  summary: 'The network: the public key by which its entries are signed, and how many relays are in each state.',
  access: ['operator', 'analyst'],
  reply: z.strictObject({ entryKey: keySchema, relays: z.record(z.string(), z.number()) }),
  handle: async (_input, { queries, signer }) => {
    const rows = await queries.rows<{ state: string; count: number }>(
      sql`select state, count(*) as count from relays group by state order by state`,
    );
    return { entryKey: signer.publicKey, relays: Object.fromEntries(rows.map(({ state, count }) => [state, count])) };
  },
});
