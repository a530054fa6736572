import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { defineRoute } from '../../http/route.ts';
import { keySchema } from '../../http/schemas.ts';
import { readNetwork } from '../../publication/network-row.ts';

export const showNetwork = defineRoute({
  method: 'GET',
  path: '/network',
  command: 'network show',
  summary:
    'The network: what brand files say of it, the public key by which its entries are signed, and how many relays are in each state.',
  access: ['operator', 'analyst'],
  reply: z.strictObject({
    name: z.string(),
    entryKey: keySchema,
    mirrors: z.array(z.string()),
    homes: z.record(z.string(), z.string()),
    feedback: z.array(z.string()),
    tacticsKeys: z.array(keySchema),
    relays: z.record(z.string(), z.number()),
  }),
  handle: async (_input, { queries, signer }) => {
    const { name, mirrors, homes, feedback, tactics_keys: tacticsKeys } = await readNetwork(queries);
    const rows = await queries.rows<{ state: string; count: number }>(
      sql`select state, count(*) as count from relays group by state order by state`,
    );
    return {
      name,
      entryKey: signer.publicKey,
      mirrors: [...mirrors],
      homes,
      feedback: [...feedback],
      tacticsKeys: [...tacticsKeys],
      relays: Object.fromEntries(rows.map(({ state, count }) => [state, count])),
    };
  },
});
