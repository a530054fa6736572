import { sql } from '../../database/database.ts';
import { defineRoute, ROLES } from '../../http/route.ts';
import { DONE, doneSchema } from '../../http/schemas.ts';

export const logout = defineRoute({
  method: 'POST',
  path: '/logout',
  command: null,
  summary: 'End this session.',
  access: ['setup', ...ROLES],
  reply: doneSchema,
  handle: async (_input, { queries, caller, setSession }) => {
    await queries.run(sql`delete from sessions where token_hash = ${caller.session}`);
    setSession(null);
    return DONE;
  },
});
