import { z } from 'zod';
import { sql } from '../../database/database.ts';
import { notFound } from '../../http/problem.ts';
import { defineRoute } from '../../http/route.ts';
import { DONE, doneSchema, idSchema } from '../../http/schemas.ts';

export const removeEnrolment = defineRoute({
  method: 'DELETE',
  path: '/enrolment-tokens/:id',
  command: 'enrolment remove',
  summary: 'Have a token let no relay in any more. A relay that it let in stays.',
  access: ['operator'],
  params: z.strictObject({ id: idSchema }),
  reply: doneSchema,
  handle: async ({ params }, { queries }) => {
    if ((await queries.run(sql`delete from enrolment_tokens where id = ${params.id}`)) === 0) throw notFound('token');
    return DONE;
  },
});
