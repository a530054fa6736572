import { z } from 'zod';
import { sql } from '../database/database.ts';
import { defineRoute } from '../http/route.ts';

export const health = defineRoute({
  method: 'GET',
  path: '/healthz',
  command: null,
  summary: 'Whether the control plane and its database answer.',
  access: ['anyone'],
  reply: z.strictObject({ ok: z.literal(true) }),
  handle: async (_input, { queries }) => {
    await queries.run(sql`select 1`);
    return { ok: true as const };
  },
});
