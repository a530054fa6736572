import { z } from 'zod';
import { defineRoute } from '../../http/route.ts';
import { nameSchema } from '../../http/schemas.ts';
import { LOGIN_BOUNDS } from '../../limits.ts';
import { beginSession } from '../../people/accounts.ts';
import { checkPassword } from '../../people/password-login.ts';

export const loginByPassword = defineRoute({
  method: 'POST',
  path: '/login',
  command: null,
  summary: 'Log in with a password and a code.',
  access: ['anyone'],
  isGuessable: true,
  body: z.strictObject({
    name: nameSchema,
    password: z.string().max(LOGIN_BOUNDS.passwordChars.max),
    code: z.string().regex(/^\d{6}$/),
  }),
  reply: z.strictObject({ account: z.string(), csrf: z.string() }),
  audit: (_input, { account }) => ({ subject: account }),
  handle: async ({ body }, context) => beginSession(context, await checkPassword(context, body), false),
});
