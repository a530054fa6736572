import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { beginSession } from '../../people/accounts.ts';
import { checkPasskey, shownPasskeySchema } from '../../people/passkeys.ts';

export const loginByPasskey = defineRoute({
  method: 'POST',
  path: '/login/passkey',
  command: null,
  summary: 'Log in with a passkey.',
  access: ['anyone'],
  isGuessable: true,
  body: shownPasskeySchema,
  reply: z.strictObject({ account: z.string(), csrf: z.string() }),
  audit: (_input, { account }) => ({ subject: account }),
  handle: async ({ body }, context) => beginSession(context, await checkPasskey(context, body), false),
});
