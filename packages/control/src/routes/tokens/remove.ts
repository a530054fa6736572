import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { DONE, doneSchema, idSchema } from '../../http/schemas.ts';

export const removeToken = defineRoute({
  method: 'DELETE',
  path: '/tokens/:id',
  command: 'token remove',
  summary: 'End one of your tokens.',
  access: ROLES,
  params: z.strictObject({ id: idSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries, caller }) => {
    const removed = await queries.run(
      sql`delete from api_tokens where id = ${params.id} and account = ${caller.account}`,
    );
    if (removed === 0) throw notFound('token');
    return DONE;
  },
});
