import { defineRoute, ROLES } from '../../http/route.ts';
import { DONE, doneSchema } from '../../http/schemas.ts';
import { keepOnlySession } from '../../people/accounts.ts';
import { addPasskey, newPasskeySchema } from '../../people/passkeys.ts';

export const newPasskey = defineRoute({
  method: 'POST',
  path: '/me/passkeys',
  command: null,
  summary: 'Add a passkey that the browser has made. All other sessions end.',
  access: ['setup', ...ROLES],
  isGuessable: true,
  body: newPasskeySchema,
  reply: doneSchema,
  audit: () => ({ subject: 'passkey' }),
  handle: async ({ body }, context) => {
    const { queries, caller } = context;
    await addPasskey(context, body);
    if (caller.account !== null) await keepOnlySession(queries, caller.account, caller.session);
    return DONE;
  },
});
